#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a capture costs: the pause felt, walk time, size on disk, memory; beside a bare
fork and gc.collect() of the same heap in the same run, and guppy3's heap() where the
interpreter has it.

    tests/bench/capture.py [--million 0.1,1,5,10] [--heap mixed,records]
                           [--order ordered,shuffled] [--python PATH]... [--repeat N]
                           [--cpus N] [--values] [--json]

Heaps: tests/targets/mixed_heap.py.  Each figure is the median of the repeats; captures,
forks and collections take turns.  "felt" is the longest gap of a thread of the
target that ticks every millisecond, "fork" the same during a bare fork.  --cpus 1 has
target and capture share one CPU.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import Target, run_load, some_interpreters, Python, LOAD  # noqa: E402
from bench import HEARTBEAT, bare_environment, gap_of  # noqa: E402

CODE = HEARTBEAT + """
import gc
sys.path.insert(0, sys.argv[1])
from mixed_heap import build
gc.disable()
DATA = build(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
gc.enable()
gc.collect()
def timed(act):
    t = time.perf_counter()
    act()
    return time.perf_counter() - t
def collect():
    return timed(gc.collect)
def guppy():
    try:
        from guppy import hpy
    except ImportError:
        return None
    return timed(hpy().heap)
ready()
serve()
"""


def rss(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Watch(threading.Thread):
    """The most resident memory a process has while it is watched."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.stop = pid, rss(pid), False

    def run(self):
        while not self.stop:
            self.peak = max(self.peak, rss(self.pid))
            time.sleep(0.002)


def capture(target, path, options):
    """The report of one capture, its wall time, and how much the target grew meanwhile."""
    before = rss(target.pid)
    watch = Watch(target.pid)
    watch.start()
    began = time.perf_counter()
    done = run_load("--json", "-f", path, *options, target.pid, timeout=900)
    wall = time.perf_counter() - began
    watch.stop = True
    watch.join()
    if done.returncode != 0:
        raise SystemExit("pymem-load failed: " + done.stderr.decode())
    return json.loads(done.stdout)["snapshots"][0], wall, watch.peak - before, before


def one_round(target, path, options):
    fork, _ = gap_of(target, lambda: target.tell("fork()"))
    felt, (snap, wall, extra, before) = gap_of(target, lambda: capture(target, path, options))
    return {
        "objects": snap["objects"], "edges": snap["edges"], "fork_felt": fork / 1e3,
        "felt": felt / 1e3, "walk": snap["walk_ns"] / 1e9, "wall": wall,
        "gc": target.ask("collect()"), "fork": snap["fork_ns"] / 1e9,
        "held": snap["gil_held_ns"] / 1e9, "stopped": snap["stopped_ns"] / 1e9,
        "bytes": snap["bytes"], "rss": before, "extra_peak": extra,
        "dirty": snap["child_dirty_bytes"],
    }


def measure(python, heap, objects, shuffled, repeat, values):
    options = [] if values else ["--no-values"]
    args = [os.path.join(HERE, "..", "targets"), heap, str(objects), str(int(shuffled))]
    with tempfile.TemporaryDirectory(prefix="pymem-bench-") as tmp, \
            Target(python, CODE, args, env=bare_environment(tmp)) as target:
        rows = [one_round(target, os.path.join(tmp, "s"), options) for _ in range(repeat)]
        guppy = target.ask("guppy()")
    return dict({k: statistics.median(r[k] for r in rows) for k in rows[0]}, guppy=guppy)


HEAD = "%-22s %-8s %-8s %8s %7s %7s %7s %7s %7s %7s %6s %7s %8s %8s %8s %8s" % (
    "interpreter", "heap", "order", "objects", "fork ms", "felt ms", "walk s", "ns/obj", "gc s",
    "walk/gc", "wall s", "B/obj", "RSS MB", "+RSS MB", "copy MB", "guppy s")


def line(python, heap, shuffled, m):
    mb = 1048576.0
    name = os.path.basename(os.path.dirname(os.path.dirname(python.path)))
    return ("%-22s %-8s %-8s %7.2fM %7.1f %7.1f %7.3f %7.0f %7.3f %7.2f %6.2f %7.2f %8.0f %8.1f "
            "%8.1f %8s") % (
        name + " " + ".".join(map(str, python.version[:2])), heap,
        "shuffled" if shuffled else "ordered", m["objects"] / 1e6, m["fork_felt"] * 1e3,
        m["felt"] * 1e3, m["walk"], m["walk"] / m["objects"] * 1e9, m["gc"], m["walk"] / m["gc"],
        m["wall"], m["bytes"] / m["objects"], m["rss"] / mb, m["extra_peak"] / mb,
        m["dirty"] / mb, "-" if m["guppy"] is None else "%.2f" % m["guppy"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", default=os.environ.get("PYMEM_BENCH_MILLION",
                                                            "0.1,1,5,10"))
    parser.add_argument("--heap", default="mixed,records")
    parser.add_argument("--order", default="ordered")
    parser.add_argument("--python", action="append")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cpus", type=int, help="of this machine's to use")
    parser.add_argument("--values", action="store_true", help="snapshots with values")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not os.access(LOAD, os.X_OK):
        raise SystemExit("no pymem-load at %s: set PYMEM_BUILD" % LOAD)
    if args.cpus:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:args.cpus])
    pythons = [Python(p) for p in args.python] if args.python else some_interpreters(3)
    found = []
    if not args.json:
        print(HEAD)
    for python, heap, million, order in (
            (p, h, m, o) for p in pythons for h in args.heap.split(",")
            for m in args.million.split(",") for o in args.order.split(",")):
        shuffled = order == "shuffled"
        m = measure(python, heap, int(float(million) * 1e6), shuffled, args.repeat,
                    args.values)
        found.append(dict(m, python=python.name, heap=heap, shuffled=shuffled))
        if not args.json:
            print(line(python, heap, shuffled, m), flush=True)
    if args.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
