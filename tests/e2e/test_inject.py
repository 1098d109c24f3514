# ctest: labels=e2e;ptrace cost=80
# SPDX-License-Identifier: MIT
"""The injection by itself: a target must not notice it, whatever it is doing."""
import random
import re
import threading

from harness import *
from injection import *

BUSY = r'''
import json, select
data = {"a": [1, 2, 3, {"b": "c" * 50}], "x": list(range(100))}
count = 0
ready()
while not select.select([_r], [], [], 0)[0]:
    for _ in range(20):
        assert json.loads(json.dumps(data)) == data
        b"".join(str(i).encode() for i in range(200)).decode()
        count += 1
serve()
'''
IDLE = "ready()\nserve()\n"
THREADS = r'''
import threading, json, time
stop = threading.Event()
counts = [0] * 50
def work(i):
    while not stop.is_set():
        json.loads(json.dumps({"i": [i] * 20}))
        counts[i] += 1
        stop.wait(0.02)
for i in range(50):
    threading.Thread(target=work, args=(i,), daemon=True).start()
ready()
serve()
'''
ROUNDS = 200 if TORTURE else 4


class Interpreters(Case):
    def captured(self, python, code, *options):
        with Target(python, code) as t:
            before = ProcState(t.pid)
            status, rounds, _ = drive(t.pid, "-n", ROUNDS, *options)
            self.assertTrue(t.alive)
            self.assertEqual([r for r in rounds if not good(r)], [], python.name)
            self.assertEqual(len(rounds), ROUNDS)
            self.assertEqual(status, 0)
            self.assert_untouched(before, maps=code is IDLE)
            self.assertEqual(t.ask("sum(range(1000)), len(json.dumps([1]))"), [499500, 3])
            return rounds

    def test_busy(self):
        for python in interpreters():
            with self.subTest(python=python.name):
                self.captured(python, BUSY)

    def test_idle(self):
        for python in interpreters():
            with self.subTest(python=python.name):
                self.captured(python, IDLE)

    # what threads and copies are like is the kernel's and the C library's, not a version's
    def some(self):
        return interpreters() if LONG else some_interpreters()

    def test_fifty_threads(self):
        for python in self.some():
            with self.subTest(python=python.name):
                self.captured(python, THREADS)

    def test_copy_of_busy(self):
        for python in self.some():
            with self.subTest(python=python.name):
                self.captured(python, BUSY, "-x")

    def test_copy_of_idle_is_consistent(self):
        for python in self.some():
            with self.subTest(python=python.name):
                rounds = self.captured(python, IDLE, "-x")
                if not python.free_threaded:
                    self.assertTrue(all(r["consistent"] for r in rounds), rounds)


class RoundTrips(Case):
    def test_few_are_needed(self):
        """Each one waits for a CPU, twice, while a thread is stopped."""
        with Program("torture", "idle", 2) as p:
            _, (result,), log = drive(p.pid, "-a", "-v")
            self.assertTrue(good(result), log)
            times = [int(n) for n in re.findall(r"resumed (\d+) times", log)]
            self.assertEqual(len(times), 2, log)
            self.assertLessEqual(times[0], 12, log)     # a hundred with a stop at each call
            self.assertLessEqual(times[1], 6, log)
            self.assertRegex(p.finish(), "^ok ")


class Kept(Case):
    def test_kept_agent_is_used_again_and_taken_out(self):
        for python in some_interpreters():
            with self.subTest(python=python.name), Target(python, IDLE) as t:
                before = ProcState(t.pid)
                _, (first,), _ = drive(t.pid, "-k")
                self.assertTrue(good(first) and not first["reused"], first)
                with open("/proc/%d/maps" % t.pid) as f:
                    self.assertIn("/memfd:pymem", f.read())
                _, rounds, _ = drive(t.pid, "-k", "-n", 3)
                self.assertTrue(all(good(r) and r["reused"] for r in rounds), rounds)
                status, (removed,), _ = drive(t.pid, "-r")
                self.assertEqual(status, 0, removed)
                self.assert_untouched(before)

    def test_kept_agent_goes_with_the_next_capture(self):
        with Target(interpreters()[-1], IDLE) as t:
            before = ProcState(t.pid)
            drive(t.pid, "-k")
            _, (again,), _ = drive(t.pid)
            self.assertTrue(good(again) and again["reused"], again)
            self.assert_untouched(before)

    def test_nothing_to_take_out(self):
        with Target(interpreters()[-1], IDLE) as t:
            status, _, _ = drive(t.pid, "-r")
            self.assertEqual(status, 0)

    def test_loader_that_vanishes_after_hello(self):
        with Target(interpreters()[-1], IDLE) as t:
            before = ProcState(t.pid)
            _, (cut,), _ = drive(t.pid, "-c", "-w")
            self.assertTrue(cut["injected"], cut)
            self.assertTrue(t.alive)
            self.assertEqual(t.ask("1 + 1"), 2)
            wait_for(lambda: len(os.listdir("/proc/%d/task" % t.pid)) == len(before.tids),
                     what="the worker to end")
            drive(t.pid, "-r")
            self.assert_untouched(before)


class Together(Case):
    def test_two_loaders_at_once(self):
        """One wins, the other says so; the target doesn't notice."""
        with Target(interpreters()[-1], THREADS) as t:
            running = [subprocess.Popen([DRIVER, "-n", "8", MINI, str(t.pid)],
                                        stdout=subprocess.PIPE) for _ in range(3)]
            results = []
            for p in running:
                out, _ = p.communicate(timeout=300)
                results += [json.loads(line) for line in out.splitlines()]
            self.assertTrue(any(good(r) for r in results))
            for r in results:
                if not good(r):
                    self.assertIn("another", r["error"])
                    self.assertEqual(r["code"], 10, r)
            self.assertTrue(t.alive)
            self.assertEqual(t.ask("1 + 1"), 2)


class Waits(Case):
    """System calls that an injection interrupts go on as if nothing had been."""
    SAME = {"nanosleep": 0, "clock_nanosleep": 0, "poll": 0, "select": 0, "condition": 0,
            "semaphore": 0, "read": 1, "recv": 1, "timerfd": 8, "wait": 0, "flock": 0,
            "epoll": 1, "sigwait": 0, "epoll_signal": 0, "pause": 0}
    # by the kernel, which wakes it in time; the others wait for a process that is itself late
    LIMITED = ("nanosleep", "clock_nanosleep", "poll", "select", "condition", "semaphore",
               "timerfd")

    def told(self, name, *options):
        with Program("torture_waits", name, 600 * SLOW) as p:
            wait_for(lambda: state_of(p.pid) == "S", what=name)
            status, rounds, log = drive(p.pid, "-a", *options)
            self.assertTrue(all(good(r) for r in rounds), (name, rounds))
            words = p.finish().split()
            self.assertEqual(words[0], name)
            return int(words[1]), int(words[2]), float(words[3])

    def each(self, *options):
        for name, expected in self.SAME.items():
            with self.subTest(call=name):
                result, error, ms = self.told(name, *options)
                self.assertEqual((result, error if result < 0 else 0), (expected, 0))
                self.assertGreater(ms, 590 * SLOW)
                if name in self.LIMITED:
                    self.assertLess(ms, 900 * SLOW)

    def test_agent(self):
        self.each()

    def test_copy(self):
        self.each("-x")

    def test_signals_that_do_nothing(self):
        """What the program ignores, or leaves to a default that is nothing, wakes it
        while it is traced; that is not seen either."""
        for signals in ((signal.SIGWINCH, signal.SIGURG), (signal.SIGCHLD, signal.SIGCONT)):
            with self.subTest(signals=signals), Program("torture_waits", "epoll_forever") as p:
                wait_for(lambda: state_of(p.pid) == "S", what="epoll_wait")
                over = threading.Event()
                def storm():
                    while not over.wait(0.0005):
                        for s in signals:
                            os.kill(p.pid, s)
                sender = threading.Thread(target=storm)
                sender.start()
                try:
                    for _ in range(5):
                        status, rounds, log = drive(p.pid, "-a")
                        self.assertTrue(all(good(r) for r in rounds), (rounds, log))
                finally:
                    over.set()
                    sender.join()
                os.kill(p.pid, signal.SIGUSR1)
                self.assertEqual(p.finish().split()[:2], ["epoll_forever", "0"])

    def test_signal_before_it_waits_again(self):
        """One that comes when the thread is let go and has no processor yet ends the wait, as
        it would have: nothing else may come after it."""
        cpu = min(os.sched_getaffinity(0))
        hog = subprocess.Popen([sys.executable, "-c", "import os\n"
                                "os.sched_setaffinity(0, {%d})\nwhile True: pass" % cpu])
        try:
            for _ in range(2):
                for call in ("epoll_forever", "pause_forever", "poll_forever",
                             "read_forever", "read_restarted"):
                    self.signal_before(call, cpu)
        finally:
            hog.kill()
            hog.wait()

    def signal_before(self, call, cpu):
        with self.subTest(call=call), Program("torture_waits", call) as p:
            wait_for(lambda: state_of(p.pid) == "S", what=call)
            os.setpriority(os.PRIO_PROCESS, p.pid, 19)
            os.sched_setaffinity(p.pid, {cpu})
            status, rounds, log = drive(p.pid, "-a")
            os.kill(p.pid, signal.SIGUSR1)
            self.assertTrue(all(good(r) for r in rounds), (rounds, log))
            self.assertEqual(p.finish(60).split()[:2], [call, "0"])

    def test_epoll_with_a_limit_sees_eintr_at_most(self):
        result, error, ms = self.told("epoll_timeout")
        self.assertIn((result, error if result < 0 else 0), ((0, 0), (-1, 4)))
        self.assertLess(ms, 900 * SLOW)


@unittest.skipUnless(has_faults(), "built without PYMEM_FAULTS")
class Faults(Case):
    """The loader dies, or fails, at every point of its protocol."""
    NAMES = ("seize", "save", "frame", "map", "channels", "image", "dlopen", "unmap",
             "back", "restore")
    COPY = ("seize", "save", "clone", "copy:")

    # By default together each step, one from each; e2e.killed takes named ones, too.
    STRIDE = 1 if LONG else 5

    def survives_every_kill(self, mode, *options, helper=1, least=30, first=1):
        with Program("torture", *mode) as p:
            step, masks = first, self.masks(p.pid)
            fds = ProcState(p.pid).fds
            while True:
                status, rounds, _ = drive(p.pid, "-a", *options,
                                          fault="kill:%d/%d" % (helper, step))
                self.assertTrue(p.alive, "died at step %d" % step)
                if status != -9 and "still at what a killed" in rounds[0]["error"]:
                    time.sleep(0.05)    # it goes home when it has had its CPU time
                    continue
                if status != -9:
                    break
                wait_for(lambda: self.masks(p.pid) == masks, what="the masks, step %d" % step)
                step += self.STRIDE
            self.assertTrue(good(rounds[0]), rounds)
            self.assertGreater(step, least)
            for child in ProcState(p.pid).children:     # copies: none became a program
                self.assertEqual(self.state(child), "Z")
            for _ in range(step // 16 + 1):     # it gives back at most 16 of each at once
                drive(p.pid, "-a", "-r")
            with open("/proc/%d/maps" % p.pid) as f:
                self.assertNotIn("/memfd:pymem", f.read())
            self.assertEqual(ProcState(p.pid).fds, fds)
            self.assertEqual(ProcState(p.pid).children, [])
            wait_for(lambda: self.state(p.pid) not in "tT", what="it to run")
            self.assertRegex(p.finish(), "^ok ")

    def test_killed_again_and_again(self):
        """The next loader comes while the thread is still at what the last one began."""
        chance = random.Random(1)
        for mode in ("registers", "dispositions"):
            with self.subTest(mode=mode), Program("torture", mode, 1) as p:
                for _ in range(100 if TORTURE else 20):
                    fault = "kill:%d/%d" % (chance.choice((1, 1, 2)), chance.randint(1, 60))
                    drive(p.pid, "-a", fault=fault)
                    self.assertTrue(p.alive, fault)
                    time.sleep(chance.choice((0, 0, 0, 0.05)))
                for _ in range(4):
                    drive(p.pid, "-a", "-r")
                self.assertRegex(p.finish(), "^ok ")

    def test_loader_that_is_slow(self):
        """A thread that waits for its loader in vain goes home; that is noticed."""
        with Program("torture", "registers", 1) as p:
            before = ProcState(p.pid)
            _, (result,), log = drive(p.pid, "-a", fault="slow:run-done")
            self.assertIn("waited for us too long", result["error"], log)
            self.assertTrue(p.alive)
            drive(p.pid, "-a", "-r")
            self.assert_untouched(before)
            self.assertRegex(p.finish(), "^ok ")

    def test_wait_in_vain_is_short(self):
        """By the thread's own CPU time, however long a system call takes here."""
        with Program("torture", "idle", 1) as p:
            masks, before = self.masks(p.pid), cpu_seconds(p.pid)
            status, _, _ = drive(p.pid, "-a", fault="kill:1/run-done")
            self.assertEqual(status, -9)
            wait_for(lambda: self.masks(p.pid) == masks, what="it to go home")
            self.assertLess(cpu_seconds(p.pid) - before, 0.8 * SLOW)
            self.assertRegex(p.finish(), "^ok ")

    def masks(self, pid):
        found = set()
        for tid in os.listdir("/proc/%d/task" % pid):
            try:
                with open("/proc/%d/task/%s/status" % (pid, tid)) as f:
                    found |= {l for l in f if l.startswith(("SigBlk", "SigIgn", "SigCgt",
                                                            "TracerPid"))}
            except OSError:
                pass
        return found

    def state(self, pid):
        with open("/proc/%s/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0]

    def test_killed_with_registers_in_use(self):
        self.survives_every_kill(("registers", 1))

    def test_killed_with_dispositions(self):
        self.survives_every_kill(("dispositions", 1), first=1 if LONG else 2)

    def test_killed_beside_a_signal_storm(self):
        self.survives_every_kill(("signals", 1), first=1 if LONG else 3)

    def test_killed_while_the_agent_is_taken_out(self):
        self.survives_every_kill(("registers", 1), helper=2, least=12,
                                 first=1 if LONG else 4)

    def test_killed_while_making_a_copy(self):
        self.survives_every_kill(("registers", 1), "-x", first=1 if LONG else 5)

    def failures(self, names, *options):
        with Program("torture", "registers", 1) as p:
            before = ProcState(p.pid)
            for name in names:
                result = {"error": "still at"}
                while "still at" in (result["error"] or ""):    # what the last one began
                    status, (result,), _ = drive(p.pid, "-a", *options, fault="fail:" + name)
                    self.assertTrue(p.alive, name)
                if not good(result):
                    self.assertIn("fault injected", result["error"], name)
                else:
                    self.assertIn(name, ("unmap", "back", "restore"))
                self.assert_untouched(before)
            self.assertRegex(p.finish(), "^ok ")

    def test_failed_steps_leave_nothing(self):
        self.failures(self.NAMES)

    def test_failed_steps_of_a_copy_leave_nothing(self):
        self.failures(self.COPY, "-x")


if __name__ == "__main__":
    main()
