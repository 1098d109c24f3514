# SPDX-License-Identifier: MIT
"""What a capture costs: walk time, size on disk, memory, the pause felt; beside
gc.collect() of the same heap in the same run.

    tests/bench/capture.py [--million 0.1,1,5] [--python PATH]... [--repeat N] [--json]

Heap: records of the kind applications keep (an instance with a dict and a tuple,
strings and ints of its own), in creation order or shuffled.  Each figure is the
median of the repeats; captures and collections take turns.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Target, run_load, some_interpreters, Python, LOAD  # noqa: E402

CODE = """
import gc, random, time
class Record:
    def __init__(self, i):
        self.key = i * 7919 + 100000
        self.name = "record %d" % i
        self.pair = (i + 1000000, "v%d" % i)
def build(objects, shuffled):
    # a record, its dict (where it has one), key, name, pair, number, text
    records = [Record(i) for i in range(objects // 6)]
    if shuffled:
        random.seed(1)
        random.shuffle(records)
    return records
DATA = build(int(sys.argv[1]), int(sys.argv[2]))
gc.collect()
def collect():
    t = time.perf_counter()
    gc.collect()
    return time.perf_counter() - t
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


def measure(python, objects, shuffled, repeat):
    rows = []
    with tempfile.TemporaryDirectory() as tmp, \
            Target(python, CODE, [str(objects), str(int(shuffled))]) as t:
        for _ in range(repeat):
            before = rss(t.pid)
            watch = Watch(t.pid)
            watch.start()
            began = time.perf_counter()
            done = run_load("--json", "--no-values", "-f", os.path.join(tmp, "s"), t.pid,
                            timeout=600)
            wall = time.perf_counter() - began
            watch.stop = True
            watch.join()
            if done.returncode != 0:
                raise SystemExit("pymem-load failed: " + done.stderr.decode())
            snap = json.loads(done.stdout)["snapshots"][0]
            rows.append({
                "objects": snap["objects"], "edges": snap["edges"],
                "walk": snap["walk_ns"] / 1e9, "wall": wall, "gc": t.ask("collect()"),
                "fork": snap["fork_ns"] / 1e9, "held": snap["gil_held_ns"] / 1e9,
                "stopped": snap["stopped_ns"] / 1e9, "bytes": snap["bytes"],
                "rss": before, "extra_peak": watch.peak - before,
                "extra_after": rss(t.pid) - before, "dirty": snap["child_dirty_bytes"],
            })
    return {k: statistics.median(r[k] for r in rows) for k in rows[0]}


HEAD = ("%-22s %8s %-8s %8s %7s %7s %7s %7s %6s %8s %8s %8s %8s" % (
    "interpreter", "objects", "order", "walk s", "ns/obj", "gc s", "/gc", "wall s", "B/obj",
    "RSS MB", "+RSS MB", "copy MB", "GIL ms"))


def line(python, shuffled, m):
    mb = 1048576.0
    return "%-22s %7.2fM %-8s %8.3f %7.0f %7.3f %7.2f %7.2f %6.2f %8.0f %8.1f %8.1f %8.1f" % (
        os.path.basename(os.path.dirname(os.path.dirname(python.path))) + " " +
        ".".join(map(str, python.version[:2])),
        m["objects"] / 1e6, "shuffled" if shuffled else "ordered", m["walk"],
        m["walk"] / m["objects"] * 1e9, m["gc"], m["walk"] / m["gc"], m["wall"],
        m["bytes"] / m["objects"], m["rss"] / mb, m["extra_peak"] / mb, m["dirty"] / mb,
        m["held"] * 1e3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--million", default=os.environ.get("PYMEM_BENCH_MILLION", "0.1,1,5"))
    parser.add_argument("--python", action="append")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--order", choices=("ordered", "shuffled", "both"), default="ordered")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not os.access(LOAD, os.X_OK):
        raise SystemExit("no pymem-load at %s: set PYMEM_BUILD" % LOAD)
    pythons = [Python(p) for p in args.python] if args.python else some_interpreters(3)
    orders = {"ordered": [False], "shuffled": [True], "both": [False, True]}[args.order]
    found = []
    if not args.json:
        print(HEAD)
    for python in pythons:
        for million in args.million.split(","):
            for shuffled in orders:
                m = measure(python, int(float(million) * 1e6), shuffled, args.repeat)
                found.append(dict(m, python=python.name, shuffled=shuffled))
                if not args.json:
                    print(line(python, shuffled, m), flush=True)
    if args.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
