# ctest: labels=e2e;ptrace cost=20
# SPDX-License-Identifier: MIT
"""Core files: pymem-load --core tells of a process that is no more what a capture tells
of it while it lives."""
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from harness import (Case, LOAD, LONG, Target, interpreters, main, run_load, run_view,
                     some_interpreters)

HEAP = r'''
import collections, decimal, functools, threading
class Session:
    def __init__(self, n):
        self.number = n; self.name = "session-%d" % n; self.data = {"k": [n, n + 1.5]}
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self, n): self.a = str(n); self.b = (n,)
STORE = {"sessions": [Session(n) for n in range(5000)]}
slotted = [Slotted(n) for n in range(2000)]
queue = collections.deque(range(3000, 4000))
ordered = collections.OrderedDict((str(n), [n]) for n in range(500))
sums = [decimal.Decimal(n) for n in range(300)]
@functools.lru_cache(None)
def cached(n): return [n]
for n in range(5000, 5300): cached(n)
def generate():
    inside = [1, 2, 3]
    yield inside
generator = generate(); next(generator)
gate = threading.Event()
def work():
    thread_local_name = {"in": "thread"}
    gate.wait()
threading.Thread(target=work, daemon=True, name="worker-x").start()
def serving():
    held_by_main = ["local"] * 100
    ready()
    serve()
serving()
'''


@unittest.skipUnless(shutil.which("gcore"), "gdb, whose gcore makes cores, is not here")
class Cores(Case):
    def core_of(self, target):
        where = self.path("core")
        done = subprocess.run(["gcore", "-o", where, str(target.pid)], timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        path = "%s.%d" % (where, target.pid)
        if done.returncode or not os.path.exists(path):
            self.skipTest("gcore can't: %r" % done.stdout[-200:])
        return path

    def report(self, path, name, *options):
        done = run_view("--no-sidecar", "--report", name, "--format", "json", "--all",
                        *options, path)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return json.loads(done.stdout)["processes"][0]["rows"]

    def read(self, core, *options, status=0):
        out = self.path("core.pymem")
        done = run_load("-f", out, "--core", core, *options, timeout=300)
        self.assertEqual(done.returncode, status, done.stderr)
        return out, done

    def same(self, live, dead):
        """Counts by type, and sizes where both know them; what differs, by type."""
        live = {r["type"]: r for r in self.report(live, "types")}
        dead = {r["type"]: r for r in self.report(dead, "types")}
        differ = {t: (live.get(t, {}).get("count", 0), dead.get(t, {}).get("count", 0))
                  for t in {*live, *dead}
                  if live.get(t, {}).get("count") != dead.get(t, {}).get("count")}
        missed = sum(abs(a - b) for a, b in differ.values())
        total = sum(r["count"] for r in live.values())
        self.assertLessEqual(missed, total * 0.005, differ)
        wrong = {t: (r["size"], dead[t]["size"]) for t, r in live.items()
                 if t in dead and t not in differ and r["size"] != dead[t]["size"]
                 and not r["approximate"] and not dead[t]["approximate"]}
        self.assertEqual(wrong, {})

    def test_same_as_live(self):
        for python in interpreters() if LONG else some_interpreters():
            if python.free_threaded:
                continue
            with self.subTest(python=python.name), Target(python, HEAP) as target:
                core = self.core_of(target)
                live = self.path("live.pymem")
                done = run_load("-q", "-f", live, target.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                out, done = self.read(core)
                self.assertIn(b"complete (core)", done.stdout)
                self.same(live, out)
                # a word that was left on a stack may seem to hold one of them as well
                self.assertRegex(done.stdout, rb"STORE\['sessions'\] -> list -> "
                                              rb"(5,000|4,99\d) Session")
                threads = self.report(out, "threads")
                self.assertIn("worker-x", json.dumps(threads))
                self.assertIn("held_by_main", json.dumps(threads) + json.dumps(
                    self.report(out, "objects", "--type", "list")))
                explained = re.search(rb"Self-check +\w+, ([0-9.]+) %", done.stdout)
                self.assertGreater(float(explained.group(1)), 97)
                os.unlink(core)

    def test_packed_and_cut_off(self):
        python = some_interpreters(1)[0]
        with Target(python, HEAP) as target:
            core = self.core_of(target)
        whole, done = self.read(core, "-q")
        objects = self.report(whole, "types")
        for pack in (["zstd", "-q", "-1", "--no-check"], ["lz4", "-q", "-1"],
                     ["gzip", "-1"]):
            packed = self.path("packed." + pack[0])
            with open(core, "rb") as a, open(packed, "wb") as b:
                subprocess.run([*pack, "-c"], stdin=a, stdout=b, check=True)
            out, done = self.read(packed, "-q")
            self.assertEqual(self.report(out, "types"), objects)
        self.assertEqual([n for n in os.listdir(self.tmp) if "part" in n], [])
        cut = self.path("cut")
        with open(core, "rb") as a, open(cut, "wb") as b:
            b.write(a.read(os.path.getsize(core) * 9 // 10))
        done = run_load("-q", "-f", self.path("cut.pymem"), "--core", cut)
        self.assertIn(done.returncode, (1, 3), done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertRegex(done.stderr, b"is cut off|can.t be told|not understood|no CPython"
                                      b"|no interpreter|no core|no memory")

    def test_no_code_below_a_sysroot(self):
        """The files are found below a folder, and only there; others' are refused."""
        python = some_interpreters(1)[0]
        with Target(python, HEAP) as target:
            core = self.core_of(target)
            with open("/proc/%d/maps" % target.pid) as maps:
                files = {line.split(None, 5)[5].strip() for line in maps
                         if ".so" in line or "python" in line}
        root = self.path("root")
        for path in files:
            if path.startswith("/") and os.path.exists(path):
                os.makedirs(root + os.path.dirname(path), exist_ok=True)
                shutil.copy(path, root + path)
        out, done = self.read(core, "-q", "--sysroot", root)
        self.assertNotIn(b"not found", done.stderr)
        empty = self.path("empty")
        os.mkdir(empty)
        done = run_load("-f", self.path("none.pymem"), "--core", core, "--sysroot", empty)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"--exec", done.stderr)
        self.assertFalse(os.path.exists(self.path("none.pymem")))

    def test_killed_by_a_signal(self):
        """As the kernel writes them, where it writes them into the folder."""
        with open("/proc/sys/kernel/core_pattern") as f:
            pattern = f.read().strip()
        if pattern not in ("core", "core.%p"):
            self.skipTest("cores go elsewhere here: %s" % pattern)
        import resource
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        folder = self.path("crash")
        os.mkdir(folder)
        python = some_interpreters(1)[0]
        done = subprocess.run(
            [python.path, "-c", "STORE = [{'n': n} for n in range(5000)]\n"
             "import os; os.abort()"], cwd=folder,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited))
        self.assertEqual(done.returncode, -signal.SIGABRT)
        cores = os.listdir(folder)
        if not cores:
            self.skipTest("the kernel wrote none")
        out, done = self.read(os.path.join(folder, cores[0]))
        self.assertIn(b"STORE -> list -> 5,000 dict", done.stdout)


class Wrong(Case):
    def refused(self, words, *options, status=1):
        out = self.path("out.pymem")
        done = subprocess.run([LOAD, "-f", out, *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertFalse(os.path.exists(out))
        self.assertEqual([n for n in os.listdir(self.tmp) if n.startswith(".")], [])

    def test_files_that_are_no_cores(self):
        text = self.path("text")
        with open(text, "wb") as f:
            f.write(b"x" * 5000)
        self.refused(b"isn't ELF", "--core", text)
        self.refused(b"but no core", "--core", "/proc/self/exe")
        self.refused(b"can't be opened: No such file", "--core", self.path("nothing"))
        self.refused(b"isn't a regular file", "--core", "/dev/null")
        open(self.path("void"), "wb").close()
        self.refused(b"is empty", "--core", self.path("void"))
        for kind, magic, words in (("xz", b"\xfd7zXZ", b"unpack it first"),
                                   ("lz4", b"\x04\x22\x4d\x18", b"unpacked (lz4)"),
                                   ("zst", b"\x28\xb5\x2f\xfd", b"unpacked (zstd)")):
            with open(self.path(kind), "wb") as f:
                f.write(magic + b"\xff" * 100)
            self.refused(words, "--core", self.path(kind))

    def test_options(self):
        self.refused(b"takes the place", "--core", "x", "1", status=2)
        self.refused(b"--sysroot goes with --core", "--sysroot", "/", status=2)
        self.refused(b"--method goes with a process", "--core", "x", "--method",
                     "agent", status=2)


if __name__ == "__main__":
    main()
