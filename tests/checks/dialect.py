"""The dialect that clang-format can't write: the licence line, sizeof(x), comments."""
import re

import tree

LICENCE = "/* SPDX-License-Identifier: MIT */\n"
RULES = (
    (re.compile(r"\bsizeof\b(?!\()"), "write sizeof(x)"),
    (re.compile(r"\btypedef\s+struct\b"), "write struct x, no typedef"),
    (re.compile(r"\b(gets|mktemp|tmpnam|alloca)\s*\("),
     "never safe"),
)

found = []
for path in tree.files(".c", ".h"):
    source, code = tree.text(path), tree.code(path)
    if not source.startswith(LICENCE):
        found.append((path, 1, "the first line is not " + LICENCE.strip()))
    for rule, what in RULES:
        for m in rule.finditer(code):
            found.append((path, tree.line_of(code, m.start()), what))
    for m in re.finditer(r"(?m)(^|\s)//.*$", tree.comments(path)):
        if not re.search(r"/\*|^\s*\*", m.group()):
            line = source.splitlines()[tree.line_of(source, m.start() + 1) - 1]
            if re.search(r"(^|\s)//", line) and "/*" not in line and "*/" not in line \
                    and not line.lstrip().startswith("*"):
                found.append((path, tree.line_of(source, m.start() + 1),
                              "write /* comments */"))
tree.report(found)
