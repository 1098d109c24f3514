#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long pymem-view takes, and how much memory, on generated snapshots.

    tests/bench/view.py [--build DIR] [--keep DIR] [OBJECTS ...]     (default 1M 10M)

Per size: writing it (pymem-gen), opening without analysis (the errors report),
the whole analysis (overview) without and with writing the sidecar, and opening
again from the sidecar.  Times are processor time of pymem-view (user + system)
and wall time; memory is its peak resident set.  Goals: full analysis <= 300 ns
and <= 56 bytes per object, 10 million objects re-opened in <= 1 s.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def measure(argv):
    """wall, processor seconds and peak RSS in bytes of one run."""
    start = time.monotonic()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit("%s ended with status %#x" % (" ".join(argv), status))
    return (time.monotonic() - start, usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * 1024)


def count_of(text):
    scale = {"k": 1000, "M": 1000000}.get(text[-1], 1)
    return int(text[:-1] if scale > 1 else text) * scale


def line(name, objects, result):
    wall, cpu, rss = result
    print("  %-28s %8.2f s wall %8.2f s cpu %7.0f ns/object %6.1f bytes/object" %
          (name, wall, cpu, cpu * 1e9 / objects, rss / objects), flush=True)


def bench(text, build, folder):
    objects = count_of(text)
    view = os.path.join(build, "bin", "pymem-view")
    path = os.path.join(folder, text + ".pymem")
    subprocess.run([os.path.join(build, "bin", "pymem-gen"), "-n", text, "-l", "module:40",
                    "-o", path], check=True, stderr=subprocess.DEVNULL)
    print("%s objects, %.2f bytes/object in the file" %
          (text, os.path.getsize(path) / objects), flush=True)
    side = path + ".pmx"
    if os.path.exists(side):
        os.unlink(side)
    line("open", objects, measure([view, "--no-sidecar", "--report", "errors", path]))
    line("open, analyse", objects, measure([view, "--no-sidecar", "--report", "roots", path]))
    line("open, analyse, suspects", objects,
         measure([view, "--no-sidecar", "--report", "overview", path]))
    line("the same, writes sidecar", objects, measure([view, "--report", "overview", path]))
    line("re-open from sidecar", objects, measure([view, "--report", "roots", path]))
    line("re-open, suspects", objects, measure([view, "--report", "overview", path]))
    print("  sidecar: %.1f bytes/object" % (os.path.getsize(side) / objects), flush=True)
    os.unlink(side)
    os.unlink(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.environ.get("PYMEM_BUILD",
                                                          os.path.join(ROOT, "build")))
    parser.add_argument("--keep", help="folder for the snapshots (default: a temporary one)")
    parser.add_argument("sizes", nargs="*", default=["1M", "10M"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pymem-bench-", dir=args.keep) as folder:
        for text in args.sizes or ["1M", "10M"]:
            bench(text, args.build, folder)


if __name__ == "__main__":
    main()
