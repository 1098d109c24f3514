# ctest: labels=e2e;ptrace cost=75
# SPDX-License-Identifier: MIT
"""Several interpreters in one process: with GILs of their own (3.12+) computing, idle
and asleep, and the older kind that shares one.  A capture holds them all still, shows
the objects of each, leaves nothing, and their results stay right."""
import re

from control_socket import preload
from harness import *

# In each interpreter: a heap of its own, then what it does until the file STOP exists.
INNER = r'''
import hashlib, os, sys, time
class Kept:
    def __init__(self, i):
        self.number = i
        self.link = None
KIND = type("Only%(n)d", (Kept,), {})
ring = [KIND(i) for i in range(500)]
for i, k in enumerate(ring):
    k.link = ring[i - 1]
def at_work():
    open(%(out)r + ".at_work", "w").close()
def busy():
    rounds, digest = 0, b""
    at_work()
    while not (rounds %% 2000 == 0 and os.path.exists(%(stop)r)):
        data = {str(j): [rounds, j] for j in range(20)}
        digest = hashlib.blake2b(digest + repr(data).encode()).digest()
        for k in ring[:20]:
            k.number += 1
        rounds += 1
        # 3.9 asks the interpreter that wants the GIL, not the one that has it, to let it go
        if rounds %% 100 == 0 and sys.version_info[:2] == (3, 9):
            time.sleep(1e-4)
    return rounds, digest.hex(), sum(k.number for k in ring)
def sleepy():
    at_work()
    while not os.path.exists(%(stop)r):
        time.sleep(0.002)
        ring.append(ring.pop(0))
    return sorted(k.number for k in ring) == list(range(500))
def hog():
    """Until the byte is set: in C code alone, without a bytecode."""
    import itertools, mmap
    with open(%(stop)r + ".hog", "w+b") as f:
        f.write(b"\0")
        f.flush()
        page = mmap.mmap(f.fileno(), 1)
    at_work()
    return any(map(page.__getitem__, itertools.repeat(0)))
def report(result):
    with open(%(out)r, "w") as f:
        f.write(repr(result))
'''

CODE = r'''
import os, threading, time
try:
    import _interpreters as I
except ImportError:
    import _xxsubinterpreters as I
inner, work, out, stop = sys.argv[1], sys.argv[2].split(","), sys.argv[3], sys.argv[4]
def create():
    if sys.argv[5] == "shared":
        return I.create("legacy") if sys.version_info >= (3, 13) else \
            I.create(isolated=False) if sys.version_info >= (3, 10) else I.create()
    return I.create()
ids, threads = [], []
for n, what in enumerate(work):
    i = create()
    ids.append(i)
    I.run_string(i, inner % {"n": n, "stop": stop, "out": out + str(n)})
    if what != "idle":
        t = threading.Thread(target=I.run_string, args=(i, "report(%s())" % what))
        t.start()
        threads.append(t)
def churn(count):
    """Interpreters that come and go."""
    for _ in range(count):
        i = I.create()
        I.run_string(i, "x = [list() for _ in range(1000)]")
        I.destroy(i)
def finish():
    open(stop, "w").close()
    if os.path.exists(stop + ".hog"):
        with open(stop + ".hog", "r+b") as f:
            f.write(b"\1")
        os.unlink(stop + ".hog")
    for t in threads:
        t.join()
    for i in ids:
        I.destroy(i)	# 3.12 crashes when it has to end them itself
while not all(what == "idle" or os.path.exists(out + "%d.at_work" % n)
              for n, what in enumerate(work)):
    time.sleep(0.01)
ready()
serve()
'''


def expected(rounds):
    """What busy() must come to after so many rounds, computed here."""
    import hashlib
    digest = b""
    for r in range(rounds):
        data = {str(j): [r, j] for j in range(20)}
        digest = hashlib.blake2b(digest + repr(data).encode()).digest()
    return rounds, digest.hex(), sum(range(500)) + 20 * rounds


class Subinterpreters(Case):
    def since(self, minor):
        return [p for p in interpreters()
                if p.version >= (3, minor) and not p.free_threaded]

    def args(self, work, kind="own"):
        return [INNER, ",".join(work), self.path("out"), self.path("stop"), kind]

    def target(self, python, work, kind="own"):
        return Target(python, CODE, args=self.args(work, kind))

    def finish(self, target, work):
        target.tell("finish()")
        os.unlink(self.path("stop"))	# for the next target
        for n, what in enumerate(work):
            if what == "idle":
                continue
            os.unlink(self.path("out%d.at_work" % n))
            with open(self.path("out%d" % n)) as f:
                result = eval(f.read())
            if what == "busy":
                self.assertGreater(result[0], 100)
                self.assertEqual(expected(result[0]), tuple(result))
            else:
                self.assertTrue(result)

    def capture(self, target, *options):
        done = run_load("-q", "-f", self.path("sub.pymem"), *options, target.pid)
        self.assertEqual(done.returncode, 0, done.stderr.decode())

    def overview(self):
        done = run_view(self.path("sub.pymem"), "--report", "overview")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def rows(self, query):
        done = run_view("--no-sidecar", "--format", "json", "--sql", query,
                        self.path("sub.pymem"))
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout.decode())["rows"]

    def check(self, work, not_stopped=0):
        """Everything of every interpreter is in the last capture."""
        counts = {r["type"]: r["n"] for r in self.rows(
            "SELECT type, count(*) n FROM object WHERE type LIKE '\\_\\_main\\_\\_.Only%'"
            " ESCAPE '\\' GROUP BY type")}
        self.assertEqual({"__main__.Only%d" % n: 500 for n in range(len(work))}, counts)
        named = {r["target"] for r in self.rows("SELECT name, target FROM root WHERE target IN"
                                                " (SELECT address FROM object)")
                 # others' are told apart by their number
                 if re.fullmatch(r"__main__( \(interpreter \d+\))?", r["name"] or "")}
        self.assertEqual(len(work) + 1, len(named))
        facts = self.rows("SELECT value FROM fact WHERE key = 'interpreters.not_stopped'")
        self.assertEqual(not_stopped, int(facts[0]["value"]) if facts else 0)

    def test_own_gils_are_all_held(self):
        work = ["busy", "sleepy", "idle"] + (["busy"] if LONG else [])
        for python in self.since(12):
            with self.subTest(python=python.name), self.target(python, work) as target:
                before = ProcState(target.pid)
                for _ in range(20 if LONG else 1):
                    self.capture(target, "--gil-timeout", "60s")
                    self.assert_untouched(before)
                    self.assertNotIn("held still", self.overview())
                self.check(work)
                self.capture(target, "--no-fork", "--gil-timeout", "60s")
                self.check(work)
                self.assert_untouched(before)
                self.finish(target, work)

    def test_one_that_does_not_stop(self):
        """A C function that keeps its GIL: said in the snapshot, refused in place, and
        the thread that was asked for the GIL doesn't wait for ever for who asked."""
        work = ["busy", "hog"]
        for python in self.since(12):
            with self.subTest(python=python.name), self.target(python, work) as target:
                done = run_load("-q", "-f", self.path("no.pymem"), "--no-fork",
                                "--gil-timeout", "0.3", target.pid)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(b"GIL of its own", done.stderr)
                def the_hog_alone():    # the other may be slow to stop, too
                    self.capture(target, "--gil-timeout", "0.3")
                    return "1 of the process's interpreters could not be held still" in \
                        self.overview()
                wait_for(the_hog_alone, what="the other to be held")
                self.check(work, 1)
                self.finish(target, work)

    def test_interpreters_that_come_and_go(self):
        work = ["busy", "idle"]
        for python in self.since(12):
            with self.subTest(python=python.name), self.target(python, work) as target:
                target.tell("t = threading.Thread(target=churn, args=(%d,)); t.start()" %
                            (200 if LONG else 20))
                while target.ask("t.is_alive()"):
                    self.capture(target, "--gil-timeout", "60s")
                    self.assertNotIn("held still", self.overview())
                self.finish(target, work)

    @unittest.skipUnless(LONG, "takes 600 MB and half a minute")
    def test_more_than_we_have_room_for(self):
        """Their lists are left alone, which the snapshot says; nothing is taken for an
        object that isn't one."""
        for python in self.since(12)[-1:]:
            with self.subTest(python=python.name), self.target(python, ["idle"]) as target:
                target.tell("for _ in range(258): ids.append(I.create())")
                for how in ([], ["--no-fork"]):
                    self.capture(target, *how)
                    self.assertRegex(self.overview(), r"Objects not walked +1\n")
                self.assertTrue(target.alive)
                target.proc.kill()	# ending them all takes a minute

    def test_list_of_interpreters_locked_for_good(self):
        """By a thread that never goes on: a snapshot at exit is taken all the same, tells
        that the other interpreter ran, and nobody is waited for with the GIL held."""
        code = """
import atexit, ctypes
try:
    import _xxsubinterpreters as I
except ImportError:
    import _interpreters as I
I.create()
def lock():
    runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    if sys.version_info < (3, 13):
        lock = ctypes.c_void_p.from_address(runtime + 32).value
        ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    else:   # _Py_DebugOffsets.runtime_state.interpreters_head; the lock is before it
        head = ctypes.c_uint64.from_address(runtime + 40).value
        ctypes.c_uint8.from_address(runtime + head - 8).value = 1
ready()
_r.readline()
lock()
"""
        for python in self.since(12):
            path = self.path("locked-%d.pymem" % python.version[1])
            env = preload(PYMEM_AT_EXIT=1, PYMEM_OUTPUT=path)
            with self.subTest(python=python.name), \
                    Target(python, ARMED + code, env=env) as t:
                t.w.write("end\n")
                t.w.flush()
                wait_for(lambda: os.path.exists(path), 60, "the snapshot")
                t.proc.kill()
                facts = run_view(path, "--report", "overview", "--format", "json")
                self.assertEqual(facts.returncode, 0, facts.stderr)

    def test_shared_gil(self):
        """The older kind, whose GIL is the main interpreter's."""
        work = ["busy", "sleepy", "idle"]
        found = self.since(9)
        for python in found if LONG else found[:1] + found[1:][-1:]:
            with self.subTest(python=python.name), \
                    self.target(python, work, "shared") as target:
                before = ProcState(target.pid)
                self.capture(target)
                self.check(work)
                self.capture(target, "--no-fork")
                self.check(work)
                self.assert_untouched(before)
                self.finish(target, work)


if __name__ == "__main__":
    main()
