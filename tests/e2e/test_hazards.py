# ctest: labels=e2e;ptrace timeout=1500 cost=57
# SPDX-License-Identifier: MIT
"""What the kernel, the C library or an administrator makes dangerous for somebody who
enters or copies a process.  The target goes on as if nothing had been; a capture is whole,
or one sentence says why there is none.

By default each once or twice, on one interpreter; PYMEM_TORTURE=1: 40 times, on some."""
import random
import re
import resource
import threading

from harness import *
from injection import TARGETS

HAZARD = os.path.join(TARGETS, "hazard.so")
RUNS = 40 if TORTURE else 1
rows = []

START = r'''
import ctypes, json, os, select, threading, time
lib = ctypes.CDLL(%r, use_errno=True)
lib.hazard_rounds.restype = ctypes.c_ulong
lib.hazard_wrong.restype = ctypes.c_char_p
lib.hazard_dont_fork.argtypes = ctypes.c_uint64, ctypes.c_uint64
shape = {"a": [1, 2.5, None, {"b": "c" * 40}], "x": list(range(60))}
errors = []
class Thing: pass
heap = [Thing() for _ in range(500)]
def work(rounds=1):
    for _ in range(rounds):
        if json.loads(json.dumps(shape)) != shape:
            errors.append("json")
def wrong():
    w = lib.hazard_wrong()
    return errors + ([w.decode()] if w else [])
''' % HAZARD
# ready when its threads are at it, those that have any
IN_C = START + r'''
e = lib.hazard_%s()
while not e and not lib.hazard_rounds() and "%s" != "lock_all":
    time.sleep(0.01)
ready(e)
serve()
'''
# Go's threads, stacks, signals, collector beside CPython's
GOROUTINES = START + r'''
go = ctypes.CDLL(os.environ["GOROUTINES"])
go.goroutines_start(4)
while not go.goroutines_rounds():
    time.sleep(0.01)
def go_on():
    """It comes through rounds after now."""
    now = go.goroutines_rounds()
    while go.goroutines_rounds() < now + 5:
        time.sleep(0.01)
    return wrong() + ["goroutines"] * go.goroutines_wrong()
ready(0)
serve()
'''
THOUSAND = START + r'''
threading.stack_size(max(64 * 1024, os.sysconf("SC_THREAD_STACK_MIN")))
stop = threading.Event()
def idle():
    while not stop.wait(2):
        work()
for _ in range(1000):
    threading.Thread(target=idle, daemon=True).start()
ready(0)
serve()
'''
LEFT = START + r'''
def answer():
    serve()
    os._exit(0)
threading.Thread(target=answer).start()
ready(0)
lib.hazard_leave()
'''
DONT_FORK = START + r'''
big = [Thing() for _ in range(200000)]
# not where the objects are, but where a list keeps its pointers
items = ctypes.c_uint64.from_address(id(big) + 24).value
ready(lib.hazard_dont_fork(items, 8 * len(big)))
serve()
'''
MAPPINGS = START + r'''
with open("/proc/sys/vm/max_map_count") as f:
    limit = int(f.read())
ready(lib.hazard_mappings(min(limit, 66000), int(os.environ["SPARE"])))
serve()
'''
LIMIT = START + r'''
import resource
what, room, hard = json.loads(os.environ["LIMIT"])
for _ in range(30):
    work()
held = []
if what == "NOFILE":
    used = max(int(n) for n in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1 + room, used + 1 + room if hard else
                       resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while not room:
            held.append(os.dup(0))
    except OSError:
        pass
elif what in ("AS", "DATA"):
    with open("/proc/self/status") as f:
        lines = dict(l.split(":", 1) for l in f)
    now = int(lines["VmSize" if what == "AS" else "VmData"].split()[0]) * 1024
    which = getattr(resource, "RLIMIT_" + what)
    resource.setrlimit(which, (now + room, now + room if hard else
                       resource.getrlimit(which)[1]))
ready(0)
serve()
'''
EXEC = START + r'''
import random, sys
chance = random.Random(os.getpid() * 7 + int(os.environ.get("N", "0")))
def later():
    time.sleep(chance.random() * 0.15)
    if os.environ["HOW"] == "exit":
        os._exit(3)
    os.execv("/bin/sleep", ["sleep", "0.3"])
ready(0)
threading.Thread(target=later).start()
while True:
    work()
'''
BUSY = START + r'''
ready(0)
while not select.select([_r], [], [], 0)[0]:
    work(3)
serve()
'''


def capture(path, pid, *options, timeout=300):
    p = run_load("-q", "--json", "-f", path, *options, pid, timeout=timeout)
    out = json.loads(p.stdout.decode())["snapshots"][0]
    out["said"] = p.stderr.decode("utf-8", "replace")
    return out


class HazardCase(Case):
    def pythons(self):
        return some_interpreters() if TORTURE else interpreters()[-1:]

    def target(self, python, code, **kw):
        t = Target(python, code, **kw)
        self.addCleanup(t.close)
        return t

    def some(self, name, code, methods=("auto", "external"), env=None, refused=None,
             maps=False, options=(), wrong="wrong()", **kw):
        """Captures it in each way; refused: a sentence that may be said instead."""
        for python in self.pythons():
            t = self.target(python, code, env=dict(os.environ, **(env or {})), **kw)
            if t.greeting:
                self.skipTest("%s: %s" % (name, os.strerror(t.greeting)))
            for method in methods:
                good = said = 0
                before = ProcState(t.pid)
                for _ in range(RUNS):
                    s = capture(self.path("s"), t.pid, "--method=" + method, *options)
                    self.assertTrue(t.alive, (name, method, s))
                    good += s["status"] == "complete"
                    if s["status"] != "complete":
                        said += 1
                        self.assertRegex(s["error"] or "", refused or "^$", (name, method))
                self.assertEqual(t.ask(wrong), [], (name, method))
                self.assertEqual(t.ask("len(heap)"), 500)
                if maps is not None:
                    self.assert_untouched(before, maps=maps, timeout=10)
                rows.append((name, method, RUNS, good, said))
                if not refused:
                    self.assertEqual(good, RUNS, (name, method))



class Hazards(HazardCase):
    def in_c(self, name, **kw):
        self.some(name, IN_C % (name, name), **kw)

    def test_io_uring(self):
        self.in_c("uring", maps=None)     # its workers are listed as threads

    def test_user_faults(self):
        self.in_c("userfault")

    def test_own_stacks(self):
        self.in_c("fibres")

    def test_signals_on_a_small_stack(self):
        self.in_c("ticks", maps=None)

    def test_children_storm(self):
        self.in_c("vfork", maps=None)

    def test_strict_subreaper(self):
        self.in_c("reaper", maps=None)

    def test_all_memory_locked(self):
        self.in_c("lock_all")

    @unittest.skipUnless(LONG, "a library in Go takes minutes to build")
    def test_another_runtime(self):
        if not shutil.which("go"):
            self.skipTest("no Go (golang-go)")
        library = self.path("goroutines.so")
        subprocess.run(["go", "build", "-buildmode=c-shared", "-o", library,
                        os.path.join(ROOT, "tests", "targets", "goroutines.go")], check=True,
                       env=dict(os.environ, GO111MODULE="off", GOCACHE=self.path("cache")))
        self.some("a Go runtime", GOROUTINES, methods=("auto", "external", "agent"), maps=None,
                  wrong="go_on()", env={"GOROUTINES": library})

    def test_a_thousand_threads(self):
        self.some("1,000 threads", THOUSAND)

    def test_main_thread_that_left(self):
        self.some("main thread ended", LEFT, maps=None)

    def test_memory_that_children_dont_get(self):
        self.some("MADV_DONTFORK", DONT_FORK, refused="MADV_DONTFORK.*--no-fork")
        self.some("MADV_DONTFORK, --no-fork", DONT_FORK, methods=("agent",), options=("--no-fork",))

    def test_mappings(self):
        """As many as there may be but for some; and all of them."""
        self.some("65,000 mappings", MAPPINGS, env={"SPARE": "400"})
        self.some("no mapping left", MAPPINGS, methods=("auto",), env={"SPARE": "1"},
                  refused="map|memory", maps=None)

    def test_stopped_and_continued(self):
        for python in self.pythons():
            t = self.target(python, BUSY)
            over = threading.Event()

            def stopper():
                chance = random.Random(4)
                while not over.is_set():
                    os.kill(t.pid, signal.SIGSTOP)
                    time.sleep(chance.random() * 0.03)
                    os.kill(t.pid, signal.SIGCONT)
                    time.sleep(chance.random() * 0.03)
            thread = threading.Thread(target=stopper)
            thread.start()
            try:
                results = [capture(self.path("s"), t.pid, "--timeout", "60s")
                           for _ in range(RUNS * 2)]
            finally:
                over.set()
                thread.join()
                os.kill(t.pid, signal.SIGCONT)
            good = sum(r["status"] == "complete" for r in results)
            rows.append(("SIGSTOP and SIGCONT", "auto", len(results), good,
                         len(results) - good))
            self.assertEqual(t.ask("wrong()"), [])
            self.assertEqual(good, len(results), results)

    def test_ends_or_execs_at_any_moment(self):
        for how in ("exit", "exec"):
            ends = {"complete": 0, "partial": 0, "failed": 0}
            for i in range(RUNS * 3):
                t = self.target(self.pythons()[i % len(self.pythons())], EXEC,
                                env=dict(os.environ, HOW=how, N=str(i)))
                s = capture(self.path("s"), t.pid)
                ends[s["status"]] += 1
                if s["status"] != "complete":
                    self.assertRegex(s["error"], r"\w+ \w+", s)
                self.assertLessEqual(len(s["said"].splitlines()), 1, s)
                status = t.proc.wait(30)
                self.assertEqual(status, 3 if how == "exit" else 0, (how, s))
            rows.append((how + " at any moment", "auto", RUNS * 3, ends["complete"],
                         ends["partial"] + ends["failed"]))

    def test_two_loaders_at_once(self):
        for python in self.pythons():
            t = self.target(python, BUSY)
            before = ProcState(t.pid)
            good = refused = 0
            for i in range(RUNS):
                running = [subprocess.Popen(
                    [LOAD, "-q", "--json", "-f", self.path("s%d" % n), *how, str(t.pid)],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                    for n, how in enumerate(((), ("--method=external",), ()))]
                for p in running:
                    out, _ = p.communicate(timeout=600)
                    s = json.loads(out.decode())["snapshots"][0]
                    good += s["status"] == "complete"
                    if s["status"] != "complete":
                        refused += 1
                        self.assertRegex(s["error"], "another", s)
                self.assertTrue(t.alive)
            rows.append(("three loaders at once", "both", 3 * RUNS, good, refused))
            self.assertGreaterEqual(good, RUNS)
            self.assertEqual(t.ask("wrong()"), [])
            self.assert_untouched(before, maps=False, timeout=10)


class Limits(HazardCase):
    def limit(self, what, room, hard, refused=None, **kw):
        self.some("RLIMIT_%s %s, %d left" % (what, "hard" if hard else "soft", room), LIMIT,
                  env={"LIMIT": json.dumps([what, room, hard])}, refused=refused, **kw)

    def test_descriptors(self):
        self.limit("NOFILE", 0, True, refused="descriptor|open files", maps=None)
        self.limit("NOFILE", 0, False, refused="descriptor|open files", maps=None)

    def test_address_space(self):
        """The agent needs room of the process: where a limit leaves none it is named,
        and where it's only the soft one, a copy does, which has a higher one."""
        for hard in (True, False):
            self.limit("AS", 64 << 10, hard, methods=("agent",), maps=None,
                       refused=r"%s RLIMIT_AS is .* are left" % ("hard" if hard else "soft"))
        self.limit("AS", 64 << 10, False, maps=None)

    def test_data(self):
        self.limit("DATA", 64 << 10, True, methods=("agent",), refused="RLIMIT_DATA",
                   maps=None)
        self.limit("DATA", 64 << 10, False, maps=None)

    def test_processes(self):
        """A user who has as many as he may."""
        if os.getuid() != 0:
            self.skipTest("not root")
        uid = 61234

        def few():
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        python = "/usr/bin/python3"     # one that another user may run
        t = self.target(python, START + "ready(0)\nserve()\n", preexec_fn=few)
        before = ProcState(t.pid)
        for method in ("auto", "external"):
            s = capture(self.path("s"), t.pid, "--method=" + method)
            if s["status"] != "complete":
                self.assertRegex(s["error"], "ulimit -u", (method, s))
            rows.append(("RLIMIT_NPROC reached", method, 1, s["status"] == "complete",
                         s["status"] != "complete"))
            self.assert_untouched(before, maps=None, timeout=10)
            self.assertEqual(t.ask("wrong()"), [])


def group(kind, **files):
    """A control group below ours, or a skip; the caller removes it."""
    path = "/sys/fs/cgroup/%s/pymem-test-%d-%s" % (kind, os.getpid(), kind)
    try:
        os.mkdir(path)
        for name, value in files.items():
            with open(os.path.join(path, kind + "." + name), "w") as f:
                f.write(str(value))
    except OSError as e:
        try:
            os.rmdir(path)
        except OSError:
            pass
        raise unittest.SkipTest("no control group %s can be made: %s" % (kind, e))
    return path


class Groups(HazardCase):
    """Control groups of the first version, where this machine has them."""

    def inside(self, path, code):
        def enter():
            with open(os.path.join(path, "cgroup.procs"), "w") as f:
                f.write(str(os.getpid()))
        t = Target(interpreters()[-1], code, preexec_fn=enter)
        self.addCleanup(self.leave, path)
        self.addCleanup(t.close)
        self.assertEqual(t.greeting, 0)
        return t

    def leave(self, path):
        wait_for(lambda: not _tasks(path), what="the group to be empty")
        os.rmdir(path)

    def test_no_task_left(self):
        path = group("pids", max=40)
        t = self.inside(path, START + "ready(0)\nserve()\n")
        before = ProcState(t.pid)
        for left in (1, 0):
            with open(os.path.join(path, "pids.max"), "w") as f:
                f.write(str(len(before.tids) + left))
            for method in ("auto", "external"):
                s = capture(self.path("s"), t.pid, "--method=" + method)
                if s["status"] != "complete":
                    self.assertRegex(s["error"], "pids.max|task|thread|process", (left, s))
                rows.append(("pids.max, %d left" % left, method, 1,
                             s["status"] == "complete", s["status"] != "complete"))
                self.assertEqual(t.ask("wrong()"), [])
                self.assert_untouched(before, maps=False, timeout=10)

    def test_a_twentieth_of_a_cpu(self):
        path = group("cpu", cfs_period_us=100000, cfs_quota_us=5000)
        t = self.inside(path, START + "ready(0)\nserve()\n")
        before = ProcState(t.pid)
        for method in ("auto", "external"):
            s = capture(self.path("s"), t.pid, "--method=" + method, "--gil-timeout", "60s")
            self.assertEqual(s["status"], "complete", s)
            rows.append(("CPU quota of 5 %", method, 1, 1, 0))
            self.assertEqual(t.ask("wrong()"), [])
            self.assert_untouched(before, maps=False, timeout=20)


def _tasks(path):
    with open(os.path.join(path, "cgroup.procs")) as f:
        return f.read()


def tearDownModule():
    print("\n%-44s %-9s %5s %9s %8s" % ("hazard", "method", "runs", "captured", "refused"))
    for r in rows:
        print("%-44s %-9s %5d %9d %8d" % r)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
