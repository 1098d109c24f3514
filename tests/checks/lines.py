"""No line of C is longer than 90 columns (a tab counts to the next multiple of 8), comments
included, none of Python longer than 100; no line ends in blanks; each file ends in one
newline."""
import tree

LONGEST = {".c": 90, ".h": 90, ".py": 100}

found = []
for path in tree.files(*LONGEST):
    for number, line in enumerate(tree.text(path).split("\n"), 1):
        width = len(line.expandtabs(8))
        if width > LONGEST[path.suffix]:
            found.append((path, number, "%d columns" % width))
        if line != line.rstrip():
            found.append((path, number, "blanks at the end"))
    if not tree.text(path).endswith("\n") or tree.text(path).endswith("\n\n"):
        found.append((path, number, "not one newline at the end"))
tree.report(found)
