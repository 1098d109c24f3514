#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a walk costs in user-space instructions, system calls and page faults: the
same on a busy machine as on a quiet one.

    tests/bench/instructions.py [--python PATH]... [--heap NAME] [--order ORDER]
                                [--objects SMALL,LARGE] [--json]

The walk driver (tests/targets/walk_driver.c) walks a heap in a copy of its process:
alone (all events thrown away), with encoding and zstd, with values as well; and
gc.collect() beside it.  callgrind counts instructions of walk_run and of the
collection, for two sizes of the heap: the slope is what an object costs, the rest is
what a capture costs that finds nothing.  System calls (strace) and page faults are
those of the copy at the larger size, the faults of its own tables included; "copied"
is memory of the process that the copy wrote to.  Only what is counted runs under
callgrind's instrumentation (the driver turns it on and off): a run takes about a minute
of a CPU.  What it is doing is told on stderr.
"""
import argparse
import ctypes
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import BUILD, Python  # noqa: E402

DRIVER = os.path.join(BUILD, "lib", "walk_driver.so")
COPY, NO_VALUES, NO_SINK, NO_OUTPUT, VALGRIND = 1, 2, 4, 8, 32
WALKS = (("walk", COPY | NO_VALUES | NO_SINK),
         ("walk, encode, zstd", COPY | NO_VALUES | NO_OUTPUT),
         ("the same with values", COPY | NO_OUTPUT))
COLLECT = "gc.collect()"

TARGET = r'''
import ctypes, gc, json, os, sys
driver, targets, heap, shuffled, sizes, walks = json.loads(sys.argv[1])
sys.path.insert(0, targets)
from mixed_heap import build
class Stats(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in
                ("objects", "edges", "bytes", "walk_ns", "sweeps")]
    _fields_.append(("rest", ctypes.c_char * 216))
class Costs(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in ("minor", "major", "copied", "mapped")]
lib, rows = ctypes.PyDLL(driver), []
gc.disable()
for size in sizes:
    kept = None
    kept = build(heap, size, shuffled)
    gc.collect()
    print("%d objects asked for: built" % size, file=sys.stderr, flush=True)
    for name, flags in walks:
        stats, costs, err = Stats(), Costs(), ctypes.create_string_buffer(512)
        if lib.walk_to_file(b"/dev/null", flags, ctypes.byref(stats), err, 512):
            sys.exit(err.value.decode())
        lib.driver_costs(ctypes.byref(costs))
        rows.append([name, stats.objects, stats.edges, stats.sweeps, costs.minor + costs.major,
                     costs.copied])
        print("%d objects: %s" % (stats.objects, name), file=sys.stderr, flush=True)
    gc.enable()
    lib.driver_collect()
    gc.disable()
print(json.dumps(rows), flush=True)
os._exit(0)  # finalizing would collect once more
'''


def run(prefix, python, setup):
    """The target's rows; prefix is what counts.  Its progress goes to stderr."""
    what = os.path.basename(prefix[0]) if prefix else "plain"
    said = []
    with subprocess.Popen(list(prefix) + [python.path, "-B", "-c", TARGET, json.dumps(setup)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        for line in child.stderr:
            said.append(line.decode(errors="replace"))
            if re.match(r"\d+ objects", said[-1]):
                print("%s: %s" % (what, said[-1]), end="", file=sys.stderr, flush=True)
        out = child.stdout.read().decode()
    if child.returncode:
        sys.exit("%s: %s" % (what, "".join(said)[-2000:]))
    return json.loads(out.splitlines()[-1])


def instructions(python, setup, folder):
    """Instructions of each walk and collection, in order."""
    setup = setup[:-1] + [[(name, flags | VALGRIND) for name, flags in setup[-1]]]
    run(["valgrind", "--tool=callgrind", "--quiet", "--instr-atstart=no",
         "--callgrind-out-file=" + os.path.join(folder, "out.%p"),
         "--toggle-collect=walk_run", "--dump-after=walk_run",
         "--toggle-collect=PyGC_Collect", "--dump-after=PyGC_Collect"], python, setup)
    counts = []
    for path in sorted(glob.glob(os.path.join(folder, "out.*")),
                       key=lambda path: os.stat(path).st_mtime_ns):
        with open(path) as f:
            total = int(re.search(r"^totals: (\d+)", f.read(), re.M).group(1))
        if total:
            counts.append(total)
    return counts


def system_calls(python, setup, folder):
    """Of each copy, in order."""
    path = os.path.join(folder, "strace")
    run(["strace", "-f", "-o", path], python, setup)
    counts, first = {}, None
    with open(path) as f:
        for line in f:
            pid, rest = line.split(None, 1)
            first = first or pid
            if pid != first and re.match(r"\w+\(", rest):
                counts[pid] = counts.get(pid, 0) + 1
    return list(counts.values())


def measure(python, heap, shuffled, sizes):
    setup = [DRIVER, os.path.join(HERE, "..", "targets"), heap, shuffled, sizes, WALKS]
    with tempfile.TemporaryDirectory(prefix="pymem-bench-") as folder:
        plain = run([], python, setup)
        calls = system_calls(python, setup, folder) if shutil.which("strace") else []
        counts = instructions(python, setup, folder)
    kinds = [name for name, _ in WALKS] + [COLLECT]
    if len(counts) != len(sizes) * len(kinds):
        sys.exit("callgrind counted %d runs of %d" % (len(counts), len(sizes) * len(kinds)))
    small, large = [row[1] for row in plain[::len(WALKS)]]
    rows = []
    for i, name in enumerate(kinds):
        a, b = counts[i], counts[i + len(kinds)]
        slope = (b - a) / (large - small)
        rows.append({"name": name, "per_object": slope, "fixed": a - slope * small})
        if i < len(WALKS):
            rows[-1].update(faults=plain[i + len(WALKS)][4], copied=plain[i + len(WALKS)][5],
                            sweeps=plain[i + len(WALKS)][3],
                            calls=calls[i + len(WALKS)] if calls else None)
    return {"python": python.name, "heap": heap, "shuffled": shuffled, "small": small,
            "large": large, "rows": rows}


def table(found):
    print("%s, %s heap, %s, %d and %d objects" % (
        found["python"], found["heap"], "shuffled" if found["shuffled"] else "ordered",
        found["small"], found["large"]))
    print("%-22s %12s %9s %7s %13s %12s %10s" % (
        "", "instr/object", "fixed M", "sweeps", "system calls", "page faults", "copied KB"))
    for row in found["rows"]:
        print("%-22s %12.0f %9.1f" % (row["name"], row["per_object"], row["fixed"] / 1e6) + (
            " %7d %13s %12d %10.0f" % (
                row["sweeps"], "-" if row["calls"] is None else row["calls"], row["faults"],
                row["copied"] / 1024) if "faults" in row else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append")
    parser.add_argument("--heap", choices=("mixed", "records"), default="mixed")
    parser.add_argument("--order", choices=("ordered", "shuffled", "both"), default="ordered")
    parser.add_argument("--objects", default="30000,150000")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not os.path.exists(DRIVER):
        sys.exit("no walk driver at %s: set PYMEM_BUILD" % DRIVER)
    if not shutil.which("valgrind"):
        sys.exit("valgrind isn't installed: it counts the instructions")
    if not ctypes.PyDLL(DRIVER).driver_can_count():
        sys.exit("the walk driver was built without valgrind/callgrind.h: build it again")
    sizes = [int(n) for n in args.objects.split(",")]
    found = []
    for path in args.python or [sys.executable]:
        for shuffled in {"ordered": [0], "shuffled": [1], "both": [0, 1]}[args.order]:
            found.append(measure(Python(path), args.heap, shuffled, sizes))
            if not args.json:
                table(found[-1])
    if args.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
