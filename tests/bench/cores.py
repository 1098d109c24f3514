#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A large core file, read from the page cache: processor time for an object beside that
of a walk of the living process, and memory beside the core's size.

    tests/bench/cores.py [--gib 4] [--python PATH]

The heap is a quarter objects, the rest buffers of 64 KiB; the kernel writes the core
(core_pattern "core"), into --folder. Ratios only: absolute times say nothing of another
machine."""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from corecase import descendants, kernel_pattern, text_of, unlimited_core
from harness import LOAD, Python, Target, interpreters, run_load, run_view
from preloadcase import fact_of

HEAP = r'''
import os
size, page = int(sys.argv[1]), os.sysconf("SC_PAGESIZE")
statm = open("/proc/self/statm")
def resident():
    statm.seek(0)
    return int(statm.read().split()[1]) * page
hog, buffers = [], []
while resident() < size // 4:
    for i in range(20000):
        hog.append({"a": [i, 2.5 * i], "n": str(i)})
while resident() < size:
    for i in range(100):
        buffers.append(os.urandom(64) * 1024)
ready()
serve()
'''
TICK = os.sysconf("SC_CLK_TCK")


class Reader(threading.Thread):
    """Looks at the process that reads the core while it does."""

    def __init__(self, loader):
        super().__init__(daemon=True)
        self.loader, self.anonymous, self.seconds = loader, 0, 0.0

    def run(self):
        while self.loader.poll() is None:
            for pid in descendants(self.loader.pid):
                status = text_of("/proc/%d/status" % pid)
                if status.startswith("Name:\tpymem-core\n"):
                    self.look(status, text_of("/proc/%d/stat" % pid))
            time.sleep(0.02)

    def look(self, status, stat):
        for line in status.splitlines():
            if line.startswith("RssAnon:"):
                self.anonymous = max(self.anonymous, int(line.split()[1]) << 10)
        fields = stat.rpartition(")")[2].split()
        if len(fields) > 13:
            self.seconds = (int(fields[11]) + int(fields[12])) / TICK


def measure(python, size, folder):
    live, dead = os.path.join(folder, "live.pymem"), os.path.join(folder, "dead.pymem")
    with Target(python, HEAP, args=[str(size)], preexec_fn=unlimited_core) as target:
        done = run_load("-q", "-f", live, target.pid, timeout=3000)
        if done.returncode:
            raise SystemExit(done.stderr.decode())
        target.tell("os.chdir(%r)" % folder)
        os.kill(target.pid, signal.SIGABRT)
        target.proc.wait()
    core, = [os.path.join(folder, n) for n in os.listdir(folder) if n.startswith("core")]
    with open(core, "rb") as f:	# into the page cache
        while f.read(1 << 24):
            pass
    with subprocess.Popen([LOAD, "-q", "-f", dead, "--core", core]) as loader:
        reader = Reader(loader)
        reader.start()
        loader.wait()
        reader.join()
    if loader.returncode:
        raise SystemExit("the core could not be read")
    return core, live, dead, reader


def count(path):
    done = run_view("--no-sidecar", "--format", "json", "--report", "overview", path,
                    timeout=3000)
    return json.loads(done.stdout)["processes"][0]["rows"][0]["objects"]


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--gib", type=float, default=4)
    options.add_argument("--python")
    options.add_argument("--folder")
    args = options.parse_args()
    python = Python(args.python) if args.python else interpreters()[-1]
    size = int(args.gib * (1 << 30))
    if not kernel_pattern():
        print("the kernel leaves no cores in a process's folder here: nothing measured")
        return 0
    with tempfile.TemporaryDirectory(prefix="pymem-cores-", dir=args.folder) as folder:
        core, live, dead, reader = measure(python, size, folder)
        bytes_of_core = os.stat(core).st_blocks * 512
        objects = count(dead)
        walk = int(fact_of(live, "walk.cpu_ns")) / 1e9
        bitmap = size / 32   # core/marks.h: two, and each page of them has an object's bit
        print("%s: a core of %.2f GiB, %d objects" % (python.name,
                                                      bytes_of_core / (1 << 30), objects))
        print("processor time of reading it / of the living process's walk: %.2f"
              % (reader.seconds / walk))
        print("objects for a second of processor time, in millions: %.2f"
              % (objects / reader.seconds / 1e6))
        print("memory of the reader / the core: %.4f; without the bitmaps: %.0f MB"
              % (reader.anonymous / bytes_of_core, (reader.anonymous - bitmap) / 1e6))
    return 0


if __name__ == "__main__":
    sys.exit(main())
