"""What the READMEs of the rooms and CONTRIBUTING.md name is there: a `function` or other
`name_with_underscores` occurs in the sources, a `folder/file` is a file or a folder (from
the top, from the guide's own folder or a room in it, with or without its suffix)."""
import re

import tree

GUIDES = [tree.ROOT / ".github/CONTRIBUTING.md"] + [
    tree.ROOT / room / "README.md" for room in tree.ROOMS]
SUFFIXES = ("", ".c", ".h", ".py", ".md")
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
PATH = re.compile(r"[.\w-]+(?:/[.\w-]+)+/?")
# Those that are made by a build, or stand for others.
MADE = re.compile(r"^(build\b|/|python\.|BUILD\b)|NAME|ROOM")


def words():
    found = set()
    for path in tree.files(".c", ".h", ".py", ".txt", ".cmake", ".js"):
        if path.parent.name != "checks":
            found.update(re.findall(r"\w+", tree.text(path)))
            found.add(path.stem)
    return found


def is_there(guide, path):
    return any((base / (path.rstrip("/") + suffix)).exists()
               for base in (tree.ROOT, guide.parent, *guide.parent.glob("*/"))
               for suffix in SUFFIXES)


known, complaints = words(), []
for guide in GUIDES:
    for number, line in enumerate(tree.text(guide).splitlines(), 1):
        for term in re.findall(r"`([^`]+)`", line):
            if MADE.search(term):
                continue
            if NAME.fullmatch(term) and term not in known:
                complaints.append((guide, number, term + " is nowhere in the sources"))
            elif PATH.fullmatch(term) and not is_there(guide, term):
                complaints.append((guide, number, term + " is no file of the tree"))
tree.report(complaints)
