"""No function is longer than 55 lines, no file longer than 700."""
import tree

FUNCTION, FILE = 55, 700

found = []
sources = tree.files(".c", ".h")
for path, name, first, last, _ in tree.functions(sources):
    if last - first + 1 > FUNCTION:
        found.append((path, first, "%s has %d lines" % (name, last - first + 1)))
for path in sources + tree.files(".py"):
    count = tree.text(path).count("\n")
    if count > FILE:
        found.append((path, count, "a file of %d lines" % count))
tree.report(found)
