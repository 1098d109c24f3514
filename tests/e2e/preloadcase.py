# SPDX-License-Identifier: MIT
"""What the tests of the preloaded agent's triggers have in common."""
import collections
import copy
import glob
import json
import os
import stat
import subprocess
import tempfile

from control_socket import *
from harness import *

HEAP = "heap = [{'n': i, 's': str(i)} for i in range(20000)]\n"
BASE = "import os, sys, time, signal\n" + ARMED + HEAP


def fact_of(path, key):
    done = run_view("--no-sidecar", "--format", "json", "--sql",
                    "SELECT value FROM fact WHERE key = '%s'" % key, path)
    row, = json.loads(done.stdout.decode())["rows"]
    return row["value"]


class MemoryGroup:
    """A control group of its own with a memory limit; usable is False where none
    can be made."""

    def __init__(self, limit):
        v1, v2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
        self.path, self.usable, self.v1 = None, False, False
        try:
            if os.path.exists(v1 + "/memory.limit_in_bytes"):
                self.path = "%s/pymem-test-%d" % (v1, os.getpid())
                os.mkdir(self.path)
                self.v1 = True
                self.limit(limit)
                self.usable = True
            elif "memory" in open(v2 + "/cgroup.subtree_control").read():
                self.path = "%s/pymem-test-%d" % (v2, os.getpid())
                os.mkdir(self.path)
                self.write("memory.max", limit)
                self.write("memory.swap.max", 0)
                self.usable = True
        except OSError:
            pass

    def inner(self, limit):
        """A group below, with a limit of its own; to be removed first."""
        group = copy.copy(self)
        group.path = self.path + "/inner"
        if not self.v1:
            self.write("cgroup.subtree_control", "+memory")
        os.mkdir(group.path)
        group.limit(limit)
        return group

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def read(self, name):
        with open(os.path.join(self.path, name)) as f:
            return f.read()

    def limit(self, limit):
        """... and no swap."""
        if not self.v1:
            return self.write("memory.max", limit)
        names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        names = [n for n in names if os.path.exists(os.path.join(self.path, n))]
        if limit > int(self.read(names[0])):
            names.reverse()	# that of both together is never the less
        for name in names:
            self.write(name, limit)

    def allow_swap(self, size):
        """... so many bytes of it, beside the memory."""
        if self.v1:	# fails where the kernel doesn't count swap
            self.write("memory.memsw.limit_in_bytes",
                       int(self.read("memory.limit_in_bytes")) + size)
        else:
            self.write("memory.swap.max", size)

    def used(self):
        return int(self.read("memory.usage_in_bytes" if self.v1 else "memory.current"))

    def enter(self):
        self.write("cgroup.procs", os.getpid())

    def empty(self):
        with open(self.path + "/cgroup.procs") as f:
            return not f.read()

    def remove(self):
        if self.path and os.path.isdir(self.path):
            until(self.empty)
            os.rmdir(self.path)


class PreloadCase(Case):
    def env(self, name="%p-%t.pymem", **variables):
        return preload(PYMEM_OUTPUT=self.path(name), **variables)

    def files(self, pattern="*.pymem"):
        return sorted(glob.glob(self.path(pattern)))

    def wait_files(self, count=1, seconds=120, pattern="*.pymem"):
        self.assertTrue(until(lambda: len(self.files(pattern)) >= count, seconds),
                        "files: %r" % os.listdir(self.tmp))
        return self.files(pattern)

    def assert_whole(self, path, objects=40000):
        with open(path, "rb") as f:
            data = f.read()
        self.assertTrue(is_complete(data), path)
        self.assertGreater(object_count(data), objects)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def run_until_said(self, python, env, armed=False):
        """A program that ends when something was said on its stderr, and prints 42; armed:
        and when it has been asked for its exit."""
        code = ("import atexit, os, time\nwhile not os.fstat(2).st_size: time.sleep(.01)\n"
                "while %d and not atexit._ncallbacks(): time.sleep(.01)\nprint(42)" % armed)
        with tempfile.TemporaryFile() as said:
            done = subprocess.run([python.path, "-c", code], env=env, timeout=600,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
            said.seek(0)
            done.stderr = said.read()
        return done

    def run_python(self, python, code, env, **kw):
        done = run([python.path, "-c", code], env=env, **kw)
        return done
