"""Files don't include or call each other in a circle: each can be read after those it
stands on.  NAME.c and NAME.h are one place.

Included are headers, as the sources say; what is called or used of another .c file is what
its object file says (nm).  DEFENDED holds rooms whose files may, for a reason; a
defence of no circle is a complaint.
"""
import collections
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import tree

BUILD = Path(os.environ.get("PYMEM_BUILD", tree.ROOT / "build"))
SOURCES = set(tree.product(".c"))

DEFENDED = {
    # A key pressed in a view opens a page or changes the app, which draws the views: a
    # window and what is in it.  app.h says so.
    "call viewer/screen/",
}


def place(path):
    return tree.name(path).rsplit(".", 1)[0]


def circles(edges):
    """The strongly connected components of more than one place (Tarjan, a loop)."""
    index, low, stack, on, found = {}, {}, [], set(), []
    for root in sorted(edges):
        if root in index:
            continue
        work = [(root, iter(sorted(edges[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on.add(root)
        while work:
            node, todo = work[-1]
            for other in todo:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on.add(other)
                    work.append((other, iter(sorted(edges.get(other, ())))))
                    break
                if other in on:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    part, stack[at:] = stack[at:], []
                    on.difference_update(part)
                    if len(part) > 1:
                        found.append(sorted(part))
    return sorted(found)


def includes():
    edges = collections.defaultdict(set)
    for path in tree.product(".h"):
        for name in re.findall(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', tree.text(path), re.M):
            other = tree.ROOT / name
            if other.exists() and place(other) != place(path):
                edges[place(path)].add(place(other))
    return edges


def objects():
    """(place, object file) of the product's own; built a second time for a test they
    are the same.  The static programs are built when they are asked for, of the same."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path, words = Path(entry["file"]), shlex.split(entry["command"])
        output = words[words.index("-o") + 1]
        if path in SOURCES and not output.startswith("tests/") and \
                "-static.dir/" not in output:
            yield place(path), BUILD / output


def calls():
    """What an object file wants, from the file that has it."""
    nm = tree.need(os.environ.get("NM", "nm"))
    files = dict(objects())
    if not files or not all(path.exists() for path in files.values()):
        print("skipped: nothing is built in %s" % BUILD)
        sys.exit(77)
    home, wants = collections.defaultdict(set), collections.defaultdict(set)
    where = {str(path): at for at, path in files.items()}
    out = subprocess.run([nm, "--format=posix", "--extern-only", "-A", *where], check=True,
                         text=True, stdout=subprocess.PIPE).stdout
    for path, name, kind in (line.split()[:3] for line in out.splitlines()):
        at = where[path.rstrip(":")]
        (wants[at].add(name) if kind in "Uwv" else home[name].add(at))
    return {at: {other for name in names for other in home[name] if other != at}
            for at, names in wants.items()}


found, unused = [], set(DEFENDED)
for what, edges in (("include", includes()), ("call", calls())):
    for circle in circles(edges):
        key = what + " " + circle[0].rsplit("/", 1)[0] + "/"
        unused.discard(key)
        if key in DEFENDED and all((what + " " + other).startswith(key) for other in circle):
            continue
        inner = ["%s -> %s" % (a.rsplit("/", 1)[1], b.rsplit("/", 1)[1])
                 for a in circle for b in sorted(edges[a]) if b in circle]
        path = next(p for p in tree.product(".c", ".h") if place(p) == circle[0])
        found.append((path, 1, "%s circle of %d: %s (%s)" % (
            what, len(circle), ", ".join(circle), "; ".join(inner))))
found += [(tree.ROOT / "tests/checks/circles.py", 1, "no such circle: %s" % key)
          for key in sorted(unused)]
tree.report(found, "move what both need below them, or defend the circle")
