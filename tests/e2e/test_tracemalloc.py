# ctest: labels=e2e;ptrace cost=70
# SPDX-License-Identifier: MIT
"""Allocation sites: what tracemalloc knows in the target is in the snapshot, all of it, and
nothing else is."""
import collections
import json
import shutil
import subprocess

from harness import *

CODE = r'''
import _tracemalloc, collections, ctypes, gc, tracemalloc
class Thing:
    def __init__(self, n):
        self.number = n
class Slotted:
    __slots__ = ("a",)
def make(): return [Thing(n) for n in range(1000)]
def again(n, f): return f() if not n else again(n - 1, f)
old = make()
tracemalloc.start(6)
kept = [make(), again(9, make), [{"a": n} for n in range(100)], bytearray(100000)]
slotted = [Slotted() for n in range(50)]
for n, s in enumerate(slotted): s.a = "n" * (2000 + n)
track = getattr(ctypes.pythonapi, "PyTraceMalloc_Track",
                getattr(ctypes.pythonapi, "_PyTraceMalloc_Track", None))
track.argtypes = ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t
track(389047, 0x1234560, 777)
def traces():
    rows = [[t[0], t[1], t[2]] for t in _tracemalloc._get_traces()]
    with open(path, "w") as f: json.dump(rows, f)
def site(o):
    t = _tracemalloc._get_object_traceback(o)
    return [[f, l] for f, l in t] if t else None
def more():
    kept.append([bytes(n + 1000) for n in range(500)])
path = None
gc.collect(); gc.disable()
ready()
serve()
'''


PRELUDE = len(Target.PRELUDE.split("\n"))


def passing(frames):
    """What the target allocates while it answers: text it compiles, and the like."""
    file, line = frames[0] if frames else ("", 0)
    return os.path.basename(file) == "target.py" and line < PRELUDE or \
        any(f[0] == "<string>" for f in frames)


def counted(rows):
    return collections.Counter((d, size, tuple(map(tuple, frames)))
                               for d, size, frames in rows if not passing(frames))


class Traces(Case):
    def lines(self, path):
        done = run_view("--no-sidecar", "--export", "jsonl", "-o", "-", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def traces(self, path):
        """Those of a snapshot, as _tracemalloc._get_traces tells them, and the stacks."""
        stacks, rows = {0: ()}, []
        for line in self.lines(path):
            if "site" in line:
                s = line["site"]
                stacks[s["id"]] = ((s["file"], s["line"]),) + stacks[s["caller"]]
            elif "trace" in line:
                t = line["trace"]
                rows.append((t["domain"], t["size"], stacks[t["site"]]))
        return counted(rows), stacks

    def known(self, target, name):
        """What the target itself says."""
        target.tell("path = %r" % self.path(name))
        target.tell("traces()")
        with open(self.path(name)) as f:
            return counted(json.load(f))

    def none_missing(self, lasting, have):
        self.assertGreater(sum(lasting.values()), 2000)
        missing = lasting - have
        # what reading a question of ours allocates comes and goes with each
        missing = {trace: n for trace, n in missing.items()
                   if not any("/json/" in file for file, _ in trace[2])}
        self.assertEqual(sum(missing.values()), 0, list(missing.items())[:3])

    def sql(self, query, *paths):
        done = run_view("--no-sidecar", "--format", "json", "--sql", query, *paths)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.decode())["rows"]

    def check_all(self, target, path):
        """Every trace that is there before the capture and after it."""
        self.known(target, "warm")
        before = self.known(target, "before")
        done = run_load("-q", "-f", path, *self.options, str(target.pid))
        self.assertEqual(done.returncode, 0, done.stderr)
        lasting = before & self.known(target, "after")
        have, stacks = self.traces(path)
        self.none_missing(lasting, have)
        self.assertEqual([size for d, size, s in have.elements() if d == 389047], [777])
        return stacks

    def check_objects(self, target, path, stacks):
        """Each object's site is the one that tracemalloc tells; older ones have none."""
        told = 0
        for expression in ("kept[0][7]", "kept[1][7]", "kept[2][7]", "kept[3]", "slotted[7]",
                           "slotted[7].a", "kept[1]", "kept"):
            frames = target.ask("site(%s)" % expression)
            row, = self.sql("SELECT site, allocated FROM object WHERE address = %d"
                            % target.ask("id(%s)" % expression), path)
            have = [list(f) for f in stacks[row["site"] or 0]]
            if frames is None:
                # a list's memory may be older than the tracing (free lists); 3.11 looks in
                # the wrong place for objects with a __dict__
                self.assertTrue(not have or have[0][0] == target.script)
                continue
            told += 1
            self.assertEqual(have, frames, expression)
            self.assertEqual(row["allocated"], "%s:%d" % tuple(frames[0]))
        self.assertGreaterEqual(told, 4)
        rows = self.sql("SELECT site FROM object WHERE address IN (%s)"
                        % ",".join(map(str, target.ask("[id(o) for o in old]"))), path)
        self.assertEqual([r["site"] for r in rows], [None] * 1000)

    options = ()

    def test_all_of_them(self):
        for python in interpreters()[::1 if LONG else 2]:
            with self.subTest(python=python.name), Target(python, CODE) as target:
                path = self.path("all.pymem")
                self.check_objects(target, path, self.check_all(target, path))

    def test_in_place(self):
        self.options = ("--no-fork",)
        for python in in_turn(2):
            with Target(python, CODE) as target:
                self.check_all(target, self.path("place.pymem"))

    def test_not_tracing(self):
        for python in in_turn(1):
            with Target(python, "ready(); serve()\n") as target:
                path = self.path("none.pymem")
                run_load("-q", "-f", path, str(target.pid))
            self.assertFalse(self.traces(path)[0])
            done = run_view("--no-sidecar", "--report", "sites", path)
            self.assertIn(b"tracemalloc was not tracing", done.stdout + done.stderr)

    def test_reports(self):
        for python in in_turn(2):
            with Target(python, CODE) as target:
                a, b = self.path("a.pymem"), self.path("b.pymem")
                run_load("-q", "-f", a, str(target.pid))
                target.tell("more()")
                run_load("-q", "-f", b, str(target.pid))
            code = open(target.script).read() if os.path.exists(target.script) else \
                Target.PRELUDE + CODE
            line = 1 + code.split("\n").index("def more():") + 1
            rows = self.sql("SELECT * FROM report_site_growth LIMIT 1", a, b)
            self.assertEqual((rows[0]["line"], rows[0]["blocks_diff"] >= 500), (line, True))
            self.assertGreaterEqual(rows[0]["allocated_diff"], 500 * 1000)
            row, = self.sql("SELECT * FROM report_sites WHERE line = %d" % line, b)
            self.assertGreaterEqual(row["count"], 500)
            self.assertGreaterEqual(row["retained"], row["size"])
            place = "%s:%d" % (target.script, line)
            self.assertIn(place.encode(), run_view("--no-sidecar", "--report", "sites",
                                                   b).stdout)
            self.check_stacks(b, place)

    def check_stacks(self, path, place):
        """The exports of stacks have each block, those of a line with what is in them."""
        done = run_view("--no-sidecar", "--export", "collapsed-sites", "-o", "-", path)
        sums = collections.Counter()
        for line in done.stdout.decode().splitlines():
            stack, size = line.rsplit(" ", 1)
            sums[stack.split(";")[-2:][0], stack.split(";")[-1]] += int(size)
        fact, = self.sql("SELECT value FROM fact WHERE key = 'tracemalloc.bytes'", path)
        self.assertEqual(sum(sums.values()), fact["value"])
        self.assertGreaterEqual(sums[place, "<builtins.bytes>"], 500 * 1000)
        for kind in "pprof-sites", "speedscope-sites":
            done = run_view("--no-sidecar", "--export", kind, "-o", self.path(kind), path)
            self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(shutil.which("gcore"), "gdb, whose gcore makes cores, is not here")
    def test_core(self):
        for python in in_turn(1):
            with Target(python, CODE) as target:
                self.known(target, "warm")
                before = self.known(target, "before")
                subprocess.run(["gcore", "-o", self.path("core"), str(target.pid)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                lasting = before & self.known(target, "after")
                core = "%s.%d" % (self.path("core"), target.pid)
                if not os.path.exists(core):
                    self.skipTest("gcore can't")
                path = self.path("core.pymem")
                done = run_load("-q", "-f", path, "--core", core)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.none_missing(lasting, self.traces(path)[0])


if __name__ == "__main__":
    main()
