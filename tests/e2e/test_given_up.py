# ctest: labels=e2e;ptrace cost=28
# SPDX-License-Identifier: MIT
"""Captures that are given up half-way: what they leave goes, and bars nobody's way."""
import random

from harness import *

HOLDS_THE_GIL = "import ctypes\nready()\nhold_gil()\nserve()\n"
IDLE = "ready()\nserve()\n"


def load(path, pid, *options):
    out = run_load("-q", "--json", "-f", path, *options, pid)
    return json.loads(out.stdout.decode())["snapshots"][0]


def threads(pid):
    return len(os.listdir("/proc/%d/task" % pid))


class GivenUp(Case):
    def hung(self, python):
        """Holds the GIL in C code until it is asked something."""
        t = Target(python, HOLDS_THE_GIL)
        t.await_call("poll")
        return t

    def test_worker_that_waits_for_the_gil(self):
        """The GIL is held by C code for long: the next capture goes another way, and
        when the GIL is free again nothing is left of the first."""
        for python in some_interpreters():
            with self.subTest(python=python.name), self.hung(python) as t:
                before = ProcState(t.pid)
                first = load(self.path("a"), t.pid, "--method=agent", "--gil-timeout", "300ms")
                self.assertEqual(first["status"], "failed")
                self.assertIn("GIL", first["error"])
                if threads(t.pid) > len(before.tids):
                    again = load(self.path("b"), t.pid, "--method=agent")
                    self.assertRegex(again["error"], "still waits for the GIL")
                second = load(self.path("b"), t.pid)
                self.assertEqual((second["status"], second["method"]), ("complete", "external"),
                                 second)
                self.assertEqual(t.ask("1 + 1"), 2)
                wait_for(lambda: threads(t.pid) == len(before.tids), what="the worker to end")
                third = load(self.path("c"), t.pid)
                self.assertEqual((third["status"], third["method"]), ("complete", "agent"), third)
                self.assert_untouched(before)

    def test_loader_killed_while_the_gil_is_waited_for(self):
        with self.hung(interpreters()[-1]) as t:
            before = ProcState(t.pid)
            p = subprocess.Popen([LOAD, "-q", "-f", self.path("a"), "--method=agent",
                                  str(t.pid)], stderr=subprocess.DEVNULL)
            wait_for(lambda: threads(t.pid) > len(before.tids), what="the worker")
            p.kill()
            p.wait()
            self.assertEqual(t.ask("1 + 1"), 2)
            wait_for(lambda: threads(t.pid) == len(before.tids), what="the worker to end")
            self.assertEqual(load(self.path("b"), t.pid)["status"], "complete")
            self.assert_untouched(before)

    def test_loader_killed_during_the_walk(self):
        code = "heap = [[i, str(i)] for i in range(300000)]\n" + IDLE
        with Target(interpreters()[-1], code) as t:
            before = ProcState(t.pid)
            p = subprocess.Popen([LOAD, "-q", "-f", self.path("a"), str(t.pid)],
                                 stderr=subprocess.DEVNULL)
            wait_for(lambda: ProcState(t.pid).children, what="the copy")
            p.kill()
            p.wait()
            wait_for(lambda: threads(t.pid) == len(before.tids), 2, "the worker to end")
            self.assertEqual(ProcState(t.pid).children, [])
            self.assertEqual(load(self.path("b"), t.pid)["status"], "complete")
            self.assert_untouched(before)

    def test_loader_killed_at_any_time(self):
        """One after the other, whatever the last one was at."""
        chance = random.Random(7)
        with Target(interpreters()[-1], CHECKED_BUSY) as t:
            before = ProcState(t.pid)
            for _ in range(150 if TORTURE else 25):
                how = chance.choice(([], [], ["--method=external"], ["--no-fork"]))
                p = subprocess.Popen([LOAD, "-q", "-f", self.path("a"), *how, str(t.pid)],
                                     stderr=subprocess.DEVNULL)
                time.sleep(chance.random() * 0.1)
                p.kill()
                p.wait()
                self.assertTrue(t.alive)
            wait_for(lambda: load(self.path("b"), t.pid)["method"] == "agent", 20)
            self.assertEqual(load(self.path("b"), t.pid)["status"], "complete")
            self.assert_untouched(before, maps=False)
            self.assertEqual(t.ask("errors"), [])

    def test_no_fork_where_nothing_holds_still(self):
        """CPython 3.6 without threads has no GIL; while its only thread sleeps it can't
        be walked in place.  It is said, and no call stays behind to be made later."""
        old = [p for p in interpreters() if p.version < (3, 7)]
        if not old:
            self.skipTest("no CPython 3.6")
        with Target(old[0], IDLE) as t:
            before = ProcState(t.pid)
            s = load(self.path("a"), t.pid, "--no-fork", "--gil-timeout", "300ms")
            self.assertIn("waits in a system call", s["error"])
            self.assert_untouched(before)
            self.assertEqual(load(self.path("b"), t.pid)["status"], "complete")
            self.assertEqual(t.ask("1 + 1"), 2)
            self.assert_untouched(before)
        busy = "import select\nready()\nwhile not select.select([_r], [], [], 0)[0]:\n" \
               "    sum(range(1000))\nserve()\n"
        with Target(old[0], busy) as t:
            s = load(self.path("a"), t.pid, "--no-fork")
            self.assertEqual((s["status"], s["method"]), ("complete", "in-place"), s)
            self.assertEqual(t.ask("1 + 1"), 2)


if __name__ == "__main__":
    main()
