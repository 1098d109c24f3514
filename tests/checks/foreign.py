# SPDX-License-Identifier: MIT
"""Files of another process are named in loader/target/foreign.c alone: nothing else in the
product makes a path behind /proc/PID/fd, root, cwd, exe or map_files, or takes a
descriptor out of another process (loader/target/foreign.h says why)."""
import re

import tree

DOOR = "loader/target/foreign.c"
# a piece of a path, in any literal; of our own process anything may be opened
PATHS = re.compile(r"(?:%[a-z.*0-9]+|[0-9]+|^\")/(?:task/%[a-z.*0-9]+/)?"
                   r"(?:fd/|root\b|cwd\b|exe\b|map_files\b)|(?:^\"|/)map_files\b")
# what the target's own dlopen is to open
TOLD = {("loader/inject/agent_image.c", '"/task/%d/fd/%d"')}
CALLS = re.compile(r"\bSYS_pidfd_getfd\b|\bSYS_openat2\b|\bpidfd_getfd\s*\(")
LITERAL = re.compile(r"/\*.*?\*/|//[^\n]*|(\"(?:\\.|[^\"\\\n])*\")", re.S)

found = []
for path in tree.product(".c", ".h"):
    if tree.name(path) == DOOR:
        continue
    source = tree.text(path)
    for m in LITERAL.finditer(source):
        literal = m.group(1) or ""
        if (tree.name(path), literal) in TOLD:
            continue
        if PATHS.search(literal.replace("/proc/self/", "/proc/")):
            found.append((path, tree.line_of(source, m.start()), literal))
    for m in CALLS.finditer(tree.code(path)):
        found.append((path, tree.line_of(source, m.start()), m.group()))
assert tree.ROOT.joinpath(DOOR).exists() and PATHS.search('"/proc/%d/task/%d/fd/%d"')
assert PATHS.search('"/proc/%d/root%s"') and PATHS.search('"/proc/%d/cwd"')
tree.report(found, "reach it through " + DOOR)
