"""What a header offers is documented: the header has a comment at its head and a guard
named by its path; a comment stands before each prototype, or before the group of
prototypes (no blank line between) that it belongs to."""
import re

import tree

PROTOTYPE = re.compile(r"^[a-z][\w ,*]*?[\s*]\**(\w+)\(")

found = []
for path in tree.product(".h"):
    source, code = tree.text(path).splitlines(), tree.code(path).splitlines()
    guard = "PYMEM_" + re.sub(r"\W", "_", tree.name(path)).upper()
    if len(source) < 2 or not source[1].startswith("/*"):
        found.append((path, 2, "no comment at the head"))
    if "#ifndef " + guard not in source or "#define " + guard not in source:
        found.append((path, 1, "the guard is not " + guard))
    described = depth = 0
    for i, line in enumerate(code):
        if not source[i].strip():
            described = 0
        elif not line.strip():
            described = 1
        elif depth == 0 and "/*" not in source[i] and PROTOTYPE.match(line) and not described \
                and not line.startswith(("static", "typedef", "return")):
            found.append((path, i + 1,
                          PROTOTYPE.match(line).group(1) + " has no comment"))
        depth += line.count("{") - line.count("}")
tree.report(found)
