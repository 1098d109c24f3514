"""CPU names, registers and instructions stand in the files that are about one CPU, and
nowhere else in the product: a new CPU is a new file."""
import re

import tree

ABOUT_ONE = re.compile(r"(^|/)(cpu_|code_)?(x86_64|aarch64)\.[ch]$|(^|/)cpu\.h$")
WORDS = re.compile(
    r"\b(x86(_64|-64)?|amd64|i[3-6]86|aarch64|arm64|AArch64|riscv\w*"
    r"|__x86_64__|__aarch64__|EM_X86_64|EM_AARCH64|AUDIT_ARCH_X86_64|AUDIT_ARCH_AARCH64"
    r"|[er](ax|bx|cx|dx|si|di|bp|sp|ip)|r(8|9|1[0-5])|[fg]s_base|fsbase|xsave\w*|xmm\d*"
    r"|rflags|eflags|syscall instruction|int3|endbr64|sse4\w*|_mm_\w+|immintrin\.h"
    r"|nmmintrin\.h|arm_acle\.h)\b|\basm\b|__asm__|__builtin_ia32\w*")
# The few others, each with its reason.
ALLOWED = {
    "agent/base/libc.h": "directives that name symbols' versions, no instructions",
    "agent/base/sys_note.h": "a directive that fills a section, no instructions",
    "loader/cpu/machine.c": "names the CPUs there are a pymem-load for",
    "loader/cpu/machine.h": "says what it says",
    "formats/core/crc32c.c": "chooses the CPU's own checksum instruction",
}

found = []
for path in tree.product(".c", ".h"):
    if ABOUT_ONE.search(tree.name(path)) or tree.name(path) in ALLOWED:
        continue
    for number, line in enumerate(tree.text(path).splitlines(), 1):
        for m in WORDS.finditer(line):
            found.append((path, number, "'%s' outside a CPU's file" % m.group()))
tree.report(found)
