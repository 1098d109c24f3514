# ctest: labels=e2e cost=75
# SPDX-License-Identifier: MIT
"""The copy-on-write copy: invisible to the application, holding nothing of it,
disposable.  The agent is preloaded and asked over its control socket, so that
everything but ptrace is the same as in a capture by pymem-load."""
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

from control_socket import *
from harness import *

HEAP = "heap = [{'n': i, 's': str(i)} for i in range(60000)]\n"

EXTENSION = r'''
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
/* A type whose tp_traverse misbehaves, but only in another process than the one
 * that made it: the collector of the target itself must be able to run. */
typedef struct { PyObject_HEAD int how; } Bad;
static pid_t home;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int bad_traverse(PyObject *self, visitproc visit, void *arg)
{
	if (getpid() == home)
		return 0;
	switch (((Bad *)self)->how) {
	case 1: *(volatile int *)8 = 1; break;
	case 2: for (;;) __asm__ volatile(""); break;
	case 3: pthread_mutex_lock(&lock); break;
	case 4: abort();
	}
	return 0;
}
static void *hold(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) pause();
	return NULL;
}
static PyObject *bad_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
	Bad *self;
	int how;
	if (!PyArg_ParseTuple(args, "i", &how))
		return NULL;
	home = getpid();
	self = (Bad *)type->tp_alloc(type, 0);
	if (self)
		self->how = how;
	if (how == 3) {
		pthread_t t;
		pthread_create(&t, NULL, hold, NULL);
		while (!pthread_mutex_trylock(&lock)) { /* until it has it */
			pthread_mutex_unlock(&lock);
			usleep(100);
		}
	}
	return (PyObject *)self;
}
static void bad_dealloc(PyObject *self)
{
	PyObject_GC_UnTrack(self);
	Py_TYPE(self)->tp_free(self);
}
static PyTypeObject BadType = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "badext.Bad", .tp_basicsize = sizeof(Bad),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.tp_new = bad_new, .tp_dealloc = bad_dealloc, .tp_traverse = bad_traverse,
	.tp_free = PyObject_GC_Del,
};
static struct PyModuleDef def = { PyModuleDef_HEAD_INIT, "badext", NULL, -1 };
PyMODINIT_FUNC PyInit_badext(void)
{
	PyObject *m = PyModule_Create(&def);
	if (!m || PyType_Ready(&BadType) < 0)
		return NULL;
	Py_INCREF(&BadType);
	PyModule_AddObject(m, "Bad", (PyObject *)&BadType);
	return m;
}
'''


def children_of(pid):
    found = []
    for tid in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/children" % (pid, tid)) as f:
                found += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return found


def running(pid):
    """Exists and is no zombie."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Fork(Case):
    def target(self, python, code, **popen):
        env = preload(PYMEM_CONTROL=self.tmp)
        return Target(python, code, env=env, **popen)

    def ask(self, t, **options):
        capture = ask_agent(self.tmp, t.pid, **options)
        self.assertIsInstance(capture, Capture, "refused: %r" % (capture,))
        self.addCleanup(capture.close)
        return capture

    def stalled(self, t, **options):
        """A capture whose copy lives as long as we like: its stream isn't read.  A copy that
        finds a collection going on has written nothing and is made again: whose bytes
        have come is the only child."""
        capture = self.ask(t, narrow=True, **options)
        self.assertIsNotNone(capture.wait_message("forked", read_stream=False),
                             capture.messages)
        self.assertTrue(select.select([capture.stream], [], [], 10 * SLOW)[0])
        copies = [pid for pid in children_of(t.pid) if running(pid)]
        self.assertEqual(len(copies), 1, capture.messages)
        return capture, copies[0]

    def settled(self, t, threads=2):
        """The state of /proc once the worker of an earlier capture is gone."""
        self.assertTrue(until(lambda: len(os.listdir("/proc/%d/task" % t.pid)) == threads))
        return ProcState(t.pid)

    def assert_whole(self, capture):
        self.assertTrue(is_complete(capture.data), capture.messages)
        self.assertGreater(object_count(capture.data), 120000)
        self.assertEqual(capture.message("child")[1], 0)
        self.assertEqual(capture.names[-1], "done")

    def test_every_interpreter_untouched(self):
        """Complete, and /proc shows the target as before: threads, fds, masks, maps,
        children.  (The preloaded agent's own stack is mapped once.)"""
        for python in interpreters():
            with self.subTest(python=python.name), \
                    self.target(python, HEAP + "ready()\nserve()\n") as t:
                self.ask(t).finish()
                before = self.settled(t)
                for _ in range(3 if LONG else 1):
                    capture = self.ask(t).finish()
                    self.assert_whole(capture)
                    walked = capture.message("walked")
                    self.assertEqual(walked[1], object_count(capture.data))
                self.assert_untouched(before)
                self.assertEqual(t.ask("len(heap)"), 60000)

    def test_pause_is_the_fork(self):
        """The GIL is held for little more than the clone takes."""
        for python in in_turn(1, (3, 7)):
            with self.subTest(python=python.name), \
                    self.target(python, "import threading\n" + HEAP * 3 +
                                "ready()\nserve()\n") as t:
                best = None
                for _ in range(5):
                    _, _, wait, held, fork, _ = self.ask(t).finish().message("forked")
                    best = min(best or 1 << 60, held - fork)
                self.assertLess(best, 2000000)

    def test_wait_sees_nothing(self):
        cases = {
            "os.wait loop": """
import threading
seen = []
def loop():
    import time
    while True:
        try:
            seen.append(os.wait()[0])
        except ChildProcessError:
            time.sleep(0.002)
threading.Thread(target=loop, daemon=True).start()
""",
            "SIGCHLD handler": """
import signal
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append(a[0]))
""",
            "SIGCHLD ignored": """
import signal
seen = []
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
""",
        }
        for n, (name, code) in enumerate(cases.items()):
            for python in in_turn(n):
                with self.subTest(case=name, python=python.name), \
                        self.target(python, HEAP + code + "ready()\nserve()\n") as t:
                    for _ in range(3):
                        self.assert_whole(self.ask(t).finish())
                    self.assertEqual(t.ask("seen"), [])
                    self.assertEqual(children_of(t.pid), [])

    def test_copy_is_modest(self):
        """Its name, its fds, its place in the OOM killer's list, no core dumps."""
        with self.target(some_interpreters(1)[0], HEAP + "ready()\nserve()\n") as t:
            capture, copy = self.stalled(t)
            base = "/proc/%d/" % copy
            # the stream, the messages, its own peak of memory to be reset, its pages
            self.assertTrue(until(lambda: len(os.listdir(base + "fd")) == 4))
            links = [os.readlink(base + "fd/" + fd) for fd in os.listdir(base + "fd")]
            for own in "clear_refs", "pagemap":
                self.assertEqual(sum(own in link for link in links), 1)
            with open(base + "comm") as f:
                self.assertEqual(f.read().strip(), "pymem-snap")
            with open(base + "oom_score_adj") as f:
                self.assertEqual(f.read().strip(), "1000")
            with open(base + "limits") as f:
                core = next(l for l in f if l.startswith("Max core"))
            self.assertEqual(core.split()[4:6], ["1", "1"])
            self.assertGreater(os.getpriority(os.PRIO_PROCESS, copy), 0)
            capture.finish()
            self.assert_whole(capture)

    def test_resource_usage_of_children(self):
        """The walk's CPU time and memory don't show up in the application's figures."""
        code = HEAP + """
import resource
more = [{str(i): (i,)} for i in range(200000)]
def used():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [u.ru_utime + u.ru_stime, u.ru_maxrss, u.ru_minflt + u.ru_majflt]
ready()
serve()
"""
        for python in in_turn(1):
            with self.subTest(python=python.name), self.target(python, code) as t:
                before = t.ask("used()")
                with open("/proc/%d/statm" % t.pid) as f:
                    own_kib = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
                for _ in range(3):
                    capture = self.ask(t).finish()
                    self.assert_whole(capture)
                after = t.ask("used()")
                self.assertEqual(before, [0, 0, 0])
                # what the kernel adds for a child that did nothing but start another
                self.assertLess(after[0], 0.05 * SLOW)
                self.assertLess(after[1], own_kib / 4)
                self.assertLess(after[2], 500)

    def test_nothing_is_kept_open(self):
        """What the application closes while the copy lives is really closed."""
        code = HEAP + """
import socket, fcntl
a, b = socket.socketpair()
r, w = os.pipe()
lock = open(os.environ["LOCKFILE"], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
s = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
ready()
serve()
"""
        server = socket.socket()
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        self.addCleanup(server.close)
        env = preload(PYMEM_CONTROL=self.tmp, LOCKFILE=self.path("lock"),
                      PORT=server.getsockname()[1])
        with Target(some_interpreters(1)[0], code, env=env) as t:
            peer, _ = server.accept()
            self.addCleanup(peer.close)
            capture, copy = self.stalled(t)
            t.tell("s.close(); lock.close(); os.close(w); b.close()")
            peer.settimeout(0.1)
            self.assertEqual(peer.recv(1), b"")
            with open(self.path("lock")) as f:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.assertEqual(t.ask("[len(os.read(r, 1)), len(a.recv(1))]"), [0, 0])
            self.assertTrue(running(copy))
            capture.finish()
            self.assert_whole(capture)

    def test_target_ends_during_the_walk(self):
        """Exit, exec, kill: the copy is soon gone, what arrived is a valid
        beginning of a snapshot."""
        def post(t, statement):  # no answer will come
            t.w.write(json.dumps(["exec", statement]) + "\n")
            t.w.flush()
        ways = {
            "exit": lambda t: post(t, "os._exit(3)"),
            "exec": lambda t: post(t, "os.execv('/bin/sleep', ['sleep', '30'])"),
            "kill": lambda t: os.kill(t.pid, signal.SIGKILL),
        }
        for name, way in ways.items():
            with self.subTest(way=name), \
                    self.target(some_interpreters(1)[0], HEAP + "ready()\nserve()\n") as t:
                capture, copy = self.stalled(t)
                way(t)
                self.assertTrue(until(lambda: not running(copy)))
                capture.finish()
                self.assertFalse(is_complete(capture.data))
                blocks(capture.data)
                t.proc.kill()

    def test_cancel(self):
        with self.target(some_interpreters(1)[0], HEAP + "ready()\nserve()\n") as t:
            capture, copy = self.stalled(t)
            capture.cancel()
            self.assertIsNotNone(capture.wait_message("done", read_stream=False))
            self.assertEqual(capture.message("failed")[1], 11)
            self.assertFalse(running(copy))
            capture.close()
            self.assert_whole(self.ask(t).finish())

    def test_receiver_dies(self):
        with self.target(some_interpreters(1)[0], HEAP + "ready()\nserve()\n") as t:
            self.ask(t).finish()
            before = self.settled(t)
            capture, copy = self.stalled(t)
            capture.close()
            self.assertTrue(until(lambda: not running(copy)))
            self.assertTrue(until(lambda: not children_of(t.pid), 1.0))
            self.assert_untouched(before, maps=False)
            self.assert_whole(self.ask(t).finish())

    def test_one_at_a_time(self):
        with self.target(some_interpreters(1)[0], HEAP + "ready()\nserve()\n") as t:
            capture, _ = self.stalled(t)
            self.assertEqual(ask_agent(self.tmp, t.pid), -16)
            capture.finish()
            self.assert_whole(capture)

    def test_application_closes_our_fds(self):
        """os.closerange over everything, and the numbers used again: no byte of ours in
        the application's files, and it lives."""
        code = HEAP + """
def grab():
    fds = [int(fd) for fd in os.listdir("/proc/self/fd")]
    os.closerange(1000, 1100)
    for i in range(100):
        f = os.open(os.environ["VICTIM"], os.O_RDWR | os.O_CREAT)
        os.dup2(f, 1000 + i); os.close(f)
ready()
serve()
"""
        env = preload(PYMEM_CONTROL=self.tmp, VICTIM=self.path("victim"))
        with Target(some_interpreters(1)[0], code, env=env) as t:
            capture, copy = self.stalled(t)
            t.tell("grab()")
            capture.finish(20)
            self.assertEqual(os.path.getsize(self.path("victim")), 0)
            self.assertTrue(t.alive)
            self.assertTrue(until(lambda: not children_of(t.pid)))
            self.assertEqual(t.ask("len(heap)"), 60000)

    def test_gil_held_by_an_extension(self):
        """The GIL isn't had: cancelled, the late worker goes away, nothing is left."""
        code = HEAP + """
import ctypes
ready()
serve()
"""
        for python in some_interpreters(2):
            with self.subTest(python=python.name), self.target(python, code) as t:
                self.ask(t).finish()
                before = self.settled(t)
                t.post("hold_gil()")
                t.await_call("poll")
                capture = self.ask(t, gil_timeout_ms=500)
                self.assertIsNotNone(capture.wait_message("phase"))
                self.assertIsNone(capture.message("forked"))
                capture.cancel()
                t.post("1")             # the GIL is let go
                t.answered()
                capture.finish()
                self.assertIn(capture.message("failed")[1], (4, 11))
                t.answered()
                self.assert_untouched(before)
                self.assert_whole(self.ask(t).finish())

    def test_during_a_collection(self):
        """A finalizer that waits inside gc.collect(): tried again until it is over."""
        code = HEAP + """
import gc, threading
class Slow:
    def __del__(self): began.set(); over.wait()
began, over = threading.Event(), threading.Event()
def collect():
    a = Slow(); a.self = a; del a
    gc.collect()
ready()
serve()
"""
        for python in some_interpreters(2):
            with self.subTest(python=python.name), self.target(python, code) as t:
                t.tell("threading.Thread(target=collect).start(); began.wait()")
                capture = self.ask(t)
                # where 3.6 keeps that it is collecting isn't known: there the first writes
                wait_for(lambda: capture.pump(read_stream=False) or
                         capture.names.count("forked") > 1 or
                         select.select([capture.stream], [], [], 0)[0], what="a second copy")
                t.tell("over.set()")
                self.assert_whole(capture.finish())

    def test_busy_process(self):
        """A CPU-bound main thread and 20 more; results stay right."""
        code = HEAP + """
import json, threading, time
stop = False
bad = []
def work():
    want = json.dumps(heap[:50])
    while not stop:
        if json.dumps(json.loads(want)) != want: bad.append(1)
for _ in range(20): threading.Thread(target=work, daemon=True).start()
ready()
serve()
"""
        for python in some_interpreters(2):
            with self.subTest(python=python.name), self.target(python, code) as t:
                for _ in range(3):
                    self.assert_whole(self.ask(t).finish())
                t.tell("stop = True")
                self.assertEqual(t.ask("bad"), [])

    def test_interpreters_with_their_own_gil(self):
        """One that runs all the time is held still, for a copy and in place."""
        code = HEAP + """
import threading, time
try:
    import _interpreters as sub
except ImportError:
    import _xxsubinterpreters as sub
other = sub.create()
run = getattr(sub, "exec", None) or sub.run_string
r, w = os.pipe()
code = "import os; os.write(%d, b'x')\\nwhile True: x = [[i] for i in range(1000)]" % w
threading.Thread(target=run, args=(other, code), daemon=True).start()
os.read(r, 1)
ready()
serve()
"""
        for python in interpreters():
            if python.version < (3, 12):
                continue
            with self.subTest(python=python.name), self.target(python, code) as t:
                for _ in range(5 if LONG else 2):
                    capture = self.ask(t).finish()
                    self.assertEqual(capture.names[-1], "done")
                    self.assertEqual(t.ask("len(heap)"), 60000)
                    self.assert_whole(capture)
                capture = self.ask(t, flags=NO_FORK).finish()
                if python.free_threaded:    # whose threads run on: not in place
                    self.assertIn("only a copy", str(capture.messages))
                else:
                    self.assertTrue(is_complete(capture.data), capture.messages)
                    self.assertGreater(object_count(capture.data), 120000)
                self.assertEqual(t.ask("len(heap)"), 60000)
                t.proc.kill()

    def test_ten_captures_leave_no_memory(self):
        with self.target(some_interpreters(1)[0], HEAP + "ready()\nserve()\n") as t:
            def mapped():
                with open("/proc/%d/statm" % t.pid) as f:
                    return int(f.read().split()[0])
            for _ in range(2):
                self.ask(t).finish()
            before = mapped()
            for _ in range(10):
                self.ask(t).finish()
            self.assertEqual(mapped(), before)

    def test_own_crash_handlers_do_not_run(self):
        """faulthandler of the application stays silent when the copy crashes; the
        malicious cases below count on it too."""
        for python in some_interpreters(2):
            if not python.has_headers:
                print("no headers for " + python.name)
                continue
            self.misbehave(python, 1, 11, prelude="import faulthandler\n"
                           "faulthandler.enable(open(os.environ['LOG'], 'w'))\n")

    def test_traverse_that_hangs(self):
        self.misbehave_on_one(2, 14)

    def test_traverse_that_waits_for_a_lock(self):
        self.misbehave_on_one(3, 14)

    def test_traverse_that_aborts(self):
        self.misbehave_on_one(4, 6)

    def misbehave_on_one(self, how, sig):
        pythons = [p for p in some_interpreters() if p.has_headers]
        if not pythons:
            self.skipTest("no interpreter with headers")
        self.misbehave(pythons[-1], how, sig)

    def misbehave(self, python, how, sig, prelude=""):
        source, module = self.path("badext.c"), self.path("badext.so")
        with open(source, "w") as f:
            f.write(EXTENSION)
        subprocess.run(["cc", "-shared", "-fPIC", "-pthread", "-w", "-I" + python.include,
                        "-o", module, source], check=True)
        code = prelude + HEAP + """
sys.path.insert(0, os.environ["EXT"])
import badext
bad = badext.Bad(%d)
ready()
serve()
""" % how
        env = preload(PYMEM_CONTROL=self.tmp, EXT=self.tmp, LOG=self.path("log"))
        with self.subTest(python=python.name, how=how), Target(python, code, env=env) as t:
            # a short limit makes the watchdog's patience short: half of it
            capture = self.ask(t, child_timeout_s=8 if sig == 14 else 0).finish()
            crash = capture.message("crash")
            self.assertIsNotNone(crash, capture.messages)
            self.assertEqual((crash[1], crash[5]), (sig, "badext.Bad"))
            self.assertFalse(is_complete(capture.data))
            self.assertEqual(capture.names[-1], "done")
            self.assertEqual(children_of(t.pid), [])
            if prelude:
                self.assertEqual(os.path.getsize(self.path("log")), 0)
            again = self.ask(t, skip=["badext.Bad"]).finish()
            self.assert_whole(again)
            self.assertEqual(t.ask("len(heap)"), 60000)


if __name__ == "__main__":
    main()
