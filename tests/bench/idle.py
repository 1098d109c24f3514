#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the agent costs while it is armed and waits: the same micro-benchmarks in
processes without it, with it but not configured, and armed in several ways, in
turn.  Each round starts them all anew (where code and heap happen to lie makes more
difference than anything else); each figure is the median over the rounds of the
ratio to the process without it in the same round.  "without again" is the noise.

Besides: how often the agent's thread woke up, and what preloading costs a
program that isn't Python (/bin/true, whole runs).

    tests/bench/idle.py [--rounds 15] [--python PATH] [--json]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import AGENT, Python, Target, interpreters

CODE = r'''
import gc, time
def calls():
    def f(x): return x + 1
    n = 0
    for _ in range(200000): n = f(n)
def objects():
    for _ in range(30): [{"a": i, "b": (i, str(i))} for i in range(1000)]
def buffers():
    for _ in range(20000): bytearray(2000); b"x" * 5000
def collect():
    for _ in range(3): gc.collect()
def sleep():
    for _ in range(50): time.sleep(0.0001)
heap = [{"n": i} for i in range(50000)]
def once(name):
    t = time.perf_counter()
    globals()[name]()
    return time.perf_counter() - t
ready()
serve()
'''
BENCHES = ("calls", "objects", "buffers", "collect", "sleep")


def variants(directory):
    armed = dict(LD_PRELOAD=AGENT, PYMEM_OUTPUT=os.path.join(directory, "%p-%t"))
    return {
        "without": {},
        "without again": {},
        "not configured": dict(LD_PRELOAD=AGENT),
        "signal": dict(armed, PYMEM_SIGNAL="USR2"),
        "interval 1h": dict(armed, PYMEM_INTERVAL="1h"),
        "control": dict(LD_PRELOAD=AGENT, PYMEM_CONTROL=os.path.join(directory, "c")),
        "rss limit": dict(armed, PYMEM_RSS_LIMIT="1T"),
        "limit": dict(armed, PYMEM_LIMIT="99%"),
        "pressure": dict(armed, PYMEM_PRESSURE="9999ms/10s"),
        "growth 10m": dict(armed, PYMEM_GROWTH="1T/10m"),
        "memory error": dict(armed, PYMEM_MEMORY_ERROR="1"),
    }


def wakeups(pid):
    """Voluntary switches of the agent's thread so far; None = no such thread."""
    for tid in os.listdir("/proc/%d/task" % pid):
        base = "/proc/%d/task/%s/" % (pid, tid)
        with open(base + "comm") as f:
            if f.read().strip() != "pymem-watch":
                continue
        with open(base + "status") as f:
            return next(int(l.split()[1]) for l in f if l.startswith("voluntary"))
    return None


def wakeup_rate(python, environment, seconds=4):
    """Wake-ups a second once it is armed; None = no thread."""
    with Target(python, CODE, env=environment) as target:
        time.sleep(1)
        before = wakeups(target.pid)
        time.sleep(seconds)
        after = wakeups(target.pid)
    return None if after is None or before is None else (after - before) / seconds


def run_all(python, environment):
    """The benchmarks in one process: the best of three of each, in seconds."""
    with Target(python, CODE, env=environment) as target:
        time.sleep(0.1)
        return {bench: min(target.ask("once(%r)" % bench) for _ in range(3))
                for bench in BENCHES}


def startup(rounds, env):
    """Median seconds of a run of /bin/true."""
    times = []
    for _ in range(rounds):
        t = time.perf_counter()
        subprocess.run(["/bin/true"], env=env)
        times.append(time.perf_counter() - t)
    return statistics.median(times)


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--python")
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    python = Python(args.python) if args.python else interpreters()[-1]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYMEM_")}
    with tempfile.TemporaryDirectory(prefix="pymem-idle-") as directory:
        environments = {name: dict(clean, **extra)
                        for name, extra in variants(directory).items()}
        ratios = {name: {bench: [] for bench in BENCHES} for name in environments}
        for turn in range(args.rounds):
            order = list(environments)
            order = order[turn % len(order):] + order[:turn % len(order)]
            took = {name: run_all(python, environments[name]) for name in order}
            for name in order:
                for bench in BENCHES:
                    ratios[name][bench].append(took[name][bench] / took["without"][bench])
        result = {name: {b: statistics.median(v) for b, v in benches.items()}
                  for name, benches in ratios.items()}
        for name, environment in environments.items():
            result[name]["wakeups_per_s"] = wakeup_rate(python, environment)
        plain = startup(100, clean)
        loaded = startup(100, dict(clean, LD_PRELOAD=AGENT, PYMEM_OUTPUT="/tmp/x",
                                   PYMEM_AT_EXIT="1"))
    if args.json:
        print(json.dumps({"python": python.name, "ratios": result,
                          "true_us": plain * 1e6, "true_preloaded_us": loaded * 1e6}))
        return 0
    print(python.name + ": ratio to a process without the agent (medians of %d rounds)"
          % args.rounds)
    print(("%-16s" + " %8s" * len(BENCHES) + " %10s") % (("",) + BENCHES + ("wake-ups/s",)))
    for name, row in result.items():
        woke = row["wakeups_per_s"]
        print("%-16s" % name + "".join(" %8.3f" % row[b] for b in BENCHES) +
              " %10s" % ("-" if woke is None else "%.2f" % woke))
    print("/bin/true: %.0f us, preloaded %.0f us (mapping and relocation included)"
          % (plain * 1e6, loaded * 1e6))
    return 0


if __name__ == "__main__":
    sys.exit(main())
