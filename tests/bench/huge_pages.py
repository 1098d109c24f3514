#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether it would pay to make huge pages of a heap before it is copied.

A fork copies page tables: the pause grows with the number of pages.  The kernel (6.1
and later) makes huge pages of another process's memory on request:
process_madvise(MADV_COLLAPSE), 2 MiB at a time, for who has CAP_SYS_NICE.  Beside what
that saves of a fork this shows what it costs: processor time, memory, and what the
application feels meanwhile; beside the same time without.  pymem-load doesn't do it:
the README says why.

    tests/bench/huge_pages.py [--gib 1,4,10] [--python PATH]

The heap is of objects of 500 bytes.  Times of a fork and of a slice are processor time
(the kernel's work, whatever else runs); "felt" is the longest gap of a thread of the
target that ticks every millisecond, while another one replaces objects.
"""
import argparse
import ctypes
import os
import resource
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import Python, Target  # noqa: E402
from bench import HEARTBEAT, bare_environment, gap_of  # noqa: E402

SLICE = 2 << 20
MADV_COLLAPSE = 25
SYS_PIDFD_OPEN, SYS_PROCESS_MADVISE = 434, 440
libc = ctypes.CDLL(None, use_errno=True)

CODE = HEARTBEAT + r"""
import gc, resource, threading
gc.disable()
heap = [bytes(460) for _ in range(int(float(sys.argv[1]) * (1 << 30) / 496))]
def write():
    for i in range(0, 1 << 62, 7919):
        heap[i % len(heap)] = bytes(460)
        if i % 256 == 0:
            time.sleep(0.001)
threading.Thread(target=write, daemon=True).start()
def fork_seconds():
    best = 1e9
    for _ in range(5):
        began = resource.getrusage(resource.RUSAGE_THREAD).ru_stime
        pid = os.fork()
        if not pid:
            os._exit(0)
        best = min(best, resource.getrusage(resource.RUSAGE_THREAD).ru_stime - began)
        os.waitpid(pid, 0)
    return best
ready()
serve()
"""


class Piece(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def slices(pid):
    """Addresses of what lies whole in anonymous memory that may be written to."""
    with open("/proc/%d/maps" % pid) as f:
        for words in (line.split(None, 5) for line in f):
            name = words[5].strip() if len(words) > 5 else ""
            if words[1] != "rw-p" or name not in ("", "[heap]"):
                continue
            start, end = (int(word, 16) for word in words[0].split("-"))
            for at in range((start + SLICE - 1) // SLICE * SLICE, end - SLICE + 1, SLICE):
                yield at


def kilobytes(pid, field):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def own_seconds():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_stime


def collapse(pid):
    """Processor seconds of each slice. Waits between two as long as each took."""
    pidfd = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
    seconds, made = [], 0
    for at in slices(pid):
        wall, began = time.monotonic(), own_seconds()
        made += libc.syscall(SYS_PROCESS_MADVISE, pidfd, ctypes.byref(Piece(at, SLICE)),
                             ctypes.c_ulong(1), MADV_COLLAPSE, 0) == SLICE
        seconds.append(own_seconds() - began)
        time.sleep(min(0.05, time.monotonic() - wall))
    os.close(pidfd)
    if not made:
        print("skipped: no huge page could be made: it takes Linux 6.1 and CAP_SYS_NICE")
        sys.exit(0)
    return seconds


def measure(python, gib):
    with tempfile.TemporaryDirectory(prefix="pymem-bench-") as folder, \
            Target(python, CODE, [str(gib)], env=bare_environment(folder)) as target:
        pid = target.pid
        before, memory = target.ask("fork_seconds()"), kilobytes(pid, "Rss")
        alone, _ = gap_of(target, lambda: time.sleep(5))
        felt, seconds = gap_of(target, lambda: collapse(pid))
        huge, added = kilobytes(pid, "AnonHugePages"), kilobytes(pid, "Rss") - memory
        after = target.ask("fork_seconds()")
        left = kilobytes(pid, "AnonHugePages")
    print("%5.1f %8.1f %8.1f %9.1f %10.2f %9.1f %9.0f %8.1f %8.1f %8.0f %8.0f" % (
        gib, before * 1e3, after * 1e3, sum(seconds), statistics.mean(seconds) * 1e3,
        max(seconds) * 1e3, added / 1024, alone, felt, huge / 1024,
        left / 1024), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", default="1")
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    print("%5s %8s %8s %9s %10s %9s %9s %8s %8s %8s %8s" % (
        "GiB", "fork ms", "after", "CPU s", "ms a slice", "at most", "added MiB", "felt ms",
        "... then", "huge MiB", "... left"))
    for gib in args.gib.split(","):
        measure(Python(args.python), float(gib))


if __name__ == "__main__":
    main()
