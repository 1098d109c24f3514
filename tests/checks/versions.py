"""Questions about CPython's version are asked in agent/python alone, which is where a
new CPython is added."""
import re

import tree

ROOM = "agent/python/"
WORDS = re.compile(r"\b(cpython_since|python_since|since_python|0x03[01][0-9a-f]\b)"
                   r"|\bversion\s*[<>](?![<>])|(?<!-)[<>]=?\s*\w+->version\b")

found = []
for path in tree.product(".c", ".h"):
    if not tree.name(path).startswith("agent/") or tree.name(path).startswith(ROOM):
        continue
    code = tree.code(path)
    for m in WORDS.finditer(code):
        found.append((path, tree.line_of(code, m.start()),
                      "'%s' outside %s" % (m.group(), ROOM)))
tree.report(found)
