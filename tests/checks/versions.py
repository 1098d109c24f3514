"""Questions about CPython's version are asked in agent/python alone, which is where a
new CPython is added."""
import re

import tree

ROOM = "agent/python/"
WORDS = re.compile(r"\b(cpython_since|python_since|since_python|0x03[01][0-9a-f]\b)"
                   r"|\bversion\s*[<>](?![<>])|(?<!-)[<>]=?\s*\w+->version\b")
# Still to be moved; nothing is added here.
PENDING = set("""
agent/heap/core/ranges.c agent/heap/extension/greenlet.c agent/heap/extension/native.c
agent/heap/memory/pymalloc.c agent/heap/object/closures.c agent/heap/object/edges.c
agent/heap/object/edges_types.c agent/heap/object/fields.c agent/heap/object/names.c
agent/heap/object/names_table.c agent/heap/object/sizes.c agent/heap/object/sizes_call.c
agent/heap/object/types.c agent/heap/roots/roots.c agent/heap/roots/roots_image.c
agent/heap/roots/roots_interp.c agent/heap/scan/statics.c agent/heap/walk.c
agent/snap/own_gil.c
""".split())

found = []
for path in tree.product(".c", ".h"):
    if not tree.name(path).startswith("agent/") or tree.name(path).startswith(ROOM) \
            or tree.name(path) in PENDING:
        continue
    code = tree.code(path)
    for m in WORDS.finditer(code):
        found.append((path, tree.line_of(code, m.start()),
                      "'%s' outside %s" % (m.group(), ROOM)))
tree.report(found)
