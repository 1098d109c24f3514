"""Every .c and .h is as clang-format writes it (.clang-format at the top).

Releases of clang-format differ in details: the check is for Debian 12's, 14.
"""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree

RELEASE = "14"

program = tree.need("clang-format-" + RELEASE, "clang-format")
version = re.search(r"version (\d+)", subprocess.check_output([program, "--version"],
                                                             text=True)).group(1)
if version != RELEASE:
    print("skipped: clang-format %s, not %s" % (version, RELEASE))
    raise SystemExit(77)


def differ(paths):
    """The first line of each of these files that differs."""
    done = subprocess.run([program, "--dry-run", *map(str, paths)], cwd=tree.ROOT,
                          stderr=subprocess.PIPE, text=True, check=True)
    first = {}
    for file, line in re.findall(r"(?m)^(/.*?):(\d+):\d+: warning: ", done.stderr):
        first.setdefault(file, int(line))
    return [(file, line, "not as clang-format writes it") for file, line in first.items()]


sources = tree.files(".c", ".h")
with ThreadPoolExecutor(os.cpu_count()) as pool:
    found = [row for rows in pool.map(differ, (sources[i::32] for i in range(32)))
             for row in rows]
tree.report(found, "run: clang-format -i FILE")
