#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the application feels of a capture: the longest gap of a heartbeat.

A thread of the target ticks once a millisecond; its longest gap is taken
during
    fork      a bare raw clone of the same process, whose child exits at once
    capture   pymem-load (agent, copy-on-write copy)
    external  pymem-load --method=external
    in place  pymem-load --no-fork
    objects   sum(map(sys.getsizeof, gc.get_objects())), what people do today
for heaps of several sizes, all in one run on one process.  "allowed" is
1.3 x fork + 10 ms; the exit status is 1 when a capture's gap is longer.

    tests/bench/pause.py [--sizes 0.1,1,4] [--rounds 5] [--python PATH] [--json]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import LOAD, Python, Target, interpreters
from bench import HEARTBEAT, bare_environment, gap_of

TARGET = HEARTBEAT + r'''
import gc
heap = []
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
def grow(size):
    gc.disable()
    n = len(heap)
    while rss() < size:
        for _ in range(2000):
            n += 1
            heap.append({"id": n, "name": "item %d" % n, "tags": (n, str(n)), "list": [n, n + 1]})
    gc.enable()
    return len(heap)
def objects():
    return sum(map(sys.getsizeof, gc.get_objects()))
ready()
serve()
'''


def load(target, path, *options):
    done = subprocess.run([LOAD, "-q", "--json", "--max-pause", "10000", "-f", path, *options,
                           str(target.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        print("pymem-load %s: %s" % (" ".join(options), done.stderr.decode().strip()),
              file=sys.stderr)
        return None
    return json.loads(done.stdout)["snapshots"][0]


def measure(target, rounds):
    """Medians of the gaps, each kind in turn in each round."""
    path = os.path.join(target.dir, "pause.pymem")
    acts = {
        "fork": lambda: target.tell("fork()"),
        "capture": lambda: load(target, path),
        "external": lambda: load(target, path, "--method=external"),
        "in place": lambda: load(target, path, "--no-fork"),
        "objects": lambda: target.ask("objects()"),
    }
    gaps, reports = {name: [] for name in acts}, []
    for _ in range(rounds):
        for name, act in acts.items():
            gap, result = gap_of(target, act)
            if result is not None or name == "fork":
                gaps[name].append(gap)
            if name == "capture" and result:
                reports.append(result)
    row = {name: statistics.median(values or [float("nan")])
           for name, values in gaps.items()}
    row["held"] = statistics.median(r["gil_held_ns"] for r in reports) / 1e6
    row["stopped"] = statistics.median(r["stopped_ns"] for r in reports) / 1e6
    row["walk"] = statistics.median(r["walk_ns"] for r in reports) / 1e6
    row["count"] = reports[-1]["objects"]
    return row


COLUMNS = ("fork", "capture", "allowed", "external", "in place", "objects", "held", "stopped",
           "walk")


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", default="0.1,1", help="GiB, comma-separated")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--python")
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    python = Python(args.python) if args.python else interpreters()[-1]
    rows, late = [], False
    if not args.json:
        print(python.name + "; longest gap of a 1 kHz heartbeat, ms (medians of %d)"
              % args.rounds)
        print(("%6s %11s" + " %9s" * len(COLUMNS)) % (("GiB", "objects") + COLUMNS), flush=True)
    work = tempfile.TemporaryDirectory(prefix="pymem-bench-")
    with work, Target(python, TARGET, env=bare_environment(work.name)) as target:
        for size in (float(s) for s in args.sizes.split(",")):
            target.ask("grow(%d)" % (size * (1 << 30)))
            row = measure(target, args.rounds)
            row["size"], row["allowed"] = size, 1.3 * row["fork"] + 10
            row["ok"] = row["capture"] <= row["allowed"]
            late |= not row["ok"]
            rows.append(row)
            if not args.json:
                print(("%6.1f %11d" + " %9.1f" * len(COLUMNS) + "%s") % (
                    (size, row["count"]) + tuple(row[c] for c in COLUMNS) +
                    ("" if row["ok"] else "  TOO LONG",)), flush=True)
    if args.json:
        print(json.dumps({"python": python.name, "rows": rows}))
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
