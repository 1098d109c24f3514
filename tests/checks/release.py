"""What users build compiles without a warning: no assertions, no fault injection.  The
tests themselves run builds that have both, which may hide a missing header or leave a
variable without a use.  Looked at are the sources that have either.  Needs a build:
PYMEM_BUILD (sources are generated there)."""
import json
import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree

LEFT_OUT = {"-UNDEBUG", "-DPYMEM_FAULTS", "-DPYMEM_INVARIANTS"}
HAVE = re.compile(r"\bassert\b|INVARIANT|NDEBUG|PYMEM_FAULTS|\bfault_")
build = os.environ.get("PYMEM_BUILD", str(tree.ROOT / "build"))
with open(os.path.join(build, "compile_commands.json")) as f:
    entries = json.load(f)
product = {str(path) for path in tree.product(".c") if HAVE.search(tree.text(path))}
chosen = {}     # a source is compiled more than once: the first will do
for entry in entries:
    path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
    if path in product:
        chosen.setdefault(path, (entry["directory"], shlex.split(entry["command"])))


def findings(item):
    path, (directory, command) = item
    words = [w for w in command[:command.index("-o")] if w not in LEFT_OUT]
    done = subprocess.run([*words, "-Werror", "-fsyntax-only", path], cwd=directory,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    rows = re.findall(r"(?m)^(.*?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", done.stdout)
    if done.returncode and not rows:
        rows = [(path, "1", done.stdout.strip() or "does not compile")]
    return [(os.path.realpath(os.path.join(directory, p)), int(line), what)
            for p, line, what in rows]


assert chosen, "no source of the product in compile_commands.json"
with ThreadPoolExecutor(os.cpu_count()) as pool:
    found = {row for rows in pool.map(findings, sorted(chosen.items())) for row in rows}
tree.report(sorted(found))
