"""No two functions of the product share a name: a backtrace or a grep finds one.

ALLOWED may hold a hundredth of all names, each with its reason.
"""
import re

import tree

IMAGE = "of a process's own memory or of an image's: peek.c and peek_image.c are never in one"
ALLOWED = {
    "main": "C names a program's entry, and there are two programs",
    "peek_safe": IMAGE,
    "peek_safe64": IMAGE,
    "peek_safe_text": IMAGE,
    "peek_be_alone": IMAGE,
    "peek_forget": IMAGE,
}

places = {}
for path, name, line, _, _ in tree.functions(tree.product(".c", ".h")):
    # one of the files that are about one processor is built: cpu_x86_64.c, aarch64.c
    if re.search(r"(^|_)aarch64$", path.stem):
        continue
    places.setdefault(name, {}).setdefault(path, line)

twice = {name: at for name, at in places.items() if len(at) > 1}
found = [(path, line, "%s is also in %s" % (name, ", ".join(
              tree.name(other) for other in at if other != path)))
         for name, at in twice.items() if name not in ALLOWED
         for path, line in at.items()]
found += [(tree.ROOT / "tests/checks/names.py", 1, "%s is unique: not to be allowed" % name)
          for name in ALLOWED if name not in twice]
if len(ALLOWED) * 100 > len(places):
    found.append((tree.ROOT / "tests/checks/names.py", 1, "more than 1 % is allowed"))
tree.report(sorted(found), "put the file's noun before the name")
