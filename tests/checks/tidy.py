"""clang-tidy finds nothing (.clang-tidy at the top: few checks, each of which finds
mistakes).  Needs a configured build folder: PYMEM_BUILD, for its compile_commands.json."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree

program = tree.need("clang-tidy-14", "clang-tidy")
build = os.environ.get("PYMEM_BUILD", str(tree.ROOT / "build"))
with open(os.path.join(build, "compile_commands.json")) as f:
    sources = sorted({os.path.join(c["directory"], c["file"]) for c in json.load(f)})
sources = [s for s in sources if s.startswith(str(tree.ROOT))]


def findings(paths):
    done = subprocess.run([program, "-p", build, "--quiet", *paths], cwd=tree.ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    rows = re.findall(r"(?m)^(/.*?):(\d+):\d+: (?:error|warning): (.*)$", done.stdout)
    return [row for row in rows if row[0].startswith(str(tree.ROOT))]   # not the system's


groups = [sources[i::16] for i in range(16) if sources[i::16]]
with ThreadPoolExecutor(os.cpu_count()) as pool:
    found = {row for rows in pool.map(findings, groups) for row in rows}
tree.report(sorted((path, int(line), what) for path, line, what in found))
