# ctest: labels=e2e;ptrace;slow timeout=1500
# SPDX-License-Identifier: MIT
"""The torture suite: per scenario, runs / survived / captured.

By default a bounded version; with PYMEM_TORTURE=1 (tests/run --torture) 200
runs each.  A target that dies, hangs or finds anything changed fails the test;
so does a capture rate below 99 % (a truthful refusal, "no safe point", counts
as one when Plan B would have been tried)."""
import sys
import threading

from harness import *
from injection import *

RUNS = 200 if TORTURE else 12
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
rows = []

WORK = r'''
import json, os, select, threading, time
shape = {"a": [1, 2.5, None, {"b": "c" * 40}], "x": list(range(60))}
errors = []
def work(rounds):
    for _ in range(rounds):
        if json.loads(json.dumps(shape)) != shape:
            errors.append("json")
        if b"".join(str(i).encode() for i in range(100)).decode().count("1") != 20:
            errors.append("bytes")
        s = sorted(str(i * 7919 % 1000) for i in range(100))
        if len(s) != 100 or s != sorted(s):
            errors.append("sort")
'''
BUSY = WORK + r'''
ready()
while not select.select([_r], [], [], 0)[0]:
    work(10)
serve()
'''
MANY = WORK + r'''
threading.stack_size(128 * 1024)
stop = threading.Event()
def idle():
    while not stop.wait(0.5):
        work(1)
for i in range(500):
    threading.Thread(target=idle, daemon=True).start()
ready()
serve()
'''
DEEP = WORK + r'''
import sys
sys.setrecursionlimit(200000)
threading.stack_size(512 * 1024 * 1024)
stop = []
def down(n):
    return down(n - 1) + 1 if n else work(2) or 0
def loop():
    while not stop:
        if down(20000) != 20000:
            errors.append("depth")
threading.Thread(target=loop, daemon=True).start()
ready()
serve()
'''
PROFILED = WORK + r'''
import signal
ticks = [0]
def tick(*args):
    ticks[0] += 1
signal.signal(signal.SIGPROF, tick)
signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
ready()
while not select.select([_r], [], [], 0)[0]:
    work(10)
signal.setitimer(signal.ITIMER_PROF, 0)
serve()
'''
GEVENT = r'''
from gevent import monkey
monkey.patch_all()
import gevent, json, time
errors = []
beats = [0]
def green(i):
    while True:
        gevent.sleep(0.001 * (i % 7))
        json.dumps([i] * 50)
        beats[0] += 1
for i in range(100):
    gevent.spawn(green, i)
ready()
gevent.get_hub().threadpool.apply(serve)
'''
NUMPY = WORK + r'''
import numpy
stop = []
def loop():
    a = numpy.random.rand(200, 200)
    while not stop:
        b = a @ numpy.linalg.inv(a)
        if not numpy.allclose(b, numpy.eye(200), atol=1e-3):
            errors.append("numpy")
threading.Thread(target=loop, daemon=True).start()
ready()
serve()
'''


class Torture(Case):
    def count(self, name, results, survived):
        captured = sum(1 for r in results if good(r))
        refused = sum(1 for r in results if not good(r) and r["code"] in (6, 7))
        rows.append((name, len(results), "all" if survived else "DIED", captured, refused))
        self.assertTrue(survived, name)
        bad = [r for r in results if not good(r) and r["code"] not in (6, 7)]
        self.assertEqual(bad, [], name)
        self.assertGreaterEqual(captured + refused, 0.99 * len(results))
        self.assertGreater(captured, 0, name)

    def program(self, name, *argv, options=(), runs=RUNS, env=None):
        with Program("torture", *argv, env=env) as p:
            time.sleep(0.2)
            _, results, _ = drive(p.pid, "-a", "-n", runs, *options, timeout=900)
            alive = p.alive
            words = p.finish()
            self.assertEqual(len(results), runs)
            self.count(name, results, alive and words.startswith("ok "))

    def python(self, name, python, code, options=(), runs=RUNS, env=None, agent=MINI):
        with Target(python, code, env=env) as t:
            _, results, _ = drive(t.pid, "-n", runs, *options, agent=agent, timeout=900)
            alive = t.alive
            self.assertEqual(len(results), runs)
            errors = t.ask("errors") if alive else ["died"]
            self.count(name, results, alive and errors == [])

    # C programs, with an agent that works in any process
    def test_malloc_one_thread(self):
        self.program("malloc storm, 1 thread", "malloc", 1)

    def test_malloc_eight_threads(self):
        self.program("malloc storm, 8 threads", "malloc", 8)

    def test_malloc_copy(self):
        self.program("malloc storm, 8 threads, external", "malloc", 8, options=("-x",))

    def test_dlopen_loop(self):
        self.program("dlopen/dlclose, 3 threads", "dlopen", 3, MINI)

    def test_sigprof(self):
        self.program("SIGPROF 1 kHz and malloc", "sigprof", 2)

    def test_jemalloc(self):
        if not os.path.exists(JEMALLOC):
            self.skipTest("no libjemalloc2")
        env = dict(os.environ, LD_PRELOAD=JEMALLOC)
        self.program("jemalloc storm, 1 thread", "malloc", 1, env=env)
        self.program("jemalloc storm, 8 threads", "malloc", 8, env=env)

    def test_small_stacks(self):
        self.program("16 KiB stacks, 8 threads", "small", 8)

    def test_deep_stack(self):
        self.program("recursion 200,000 deep", "deep", 200000)

    def test_many_threads(self):
        self.program("500 idle threads", "idle", 500)

    def test_registers(self):
        self.program("vector registers, 2 threads", "registers", 2)

    def test_rseq(self):
        self.program("restartable sequence", "rseq", 1)

    def test_signals(self):
        self.program("signal storm", "signals", 1)
        self.program("signal storm, external", "signals", 1, options=("-x",))

    # CPython
    def test_busy_pythons(self):
        for p in interpreters():
            with self.subTest(python=p.name):
                self.python("CPU-bound %s" % p.name, p, BUSY)

    def test_busy_pythons_external(self):
        for p in some_interpreters() if not TORTURE else interpreters():
            with self.subTest(python=p.name):
                self.python("CPU-bound, external %s" % p.name, p, BUSY, options=("-x",))

    def test_python_jemalloc(self):
        if not os.path.exists(JEMALLOC):
            self.skipTest("no libjemalloc2")
        env = dict(os.environ, LD_PRELOAD=JEMALLOC, PYTHONMALLOC="malloc")
        for p in some_interpreters():
            with self.subTest(python=p.name):
                self.python("jemalloc, CPU-bound %s" % p.name, p, BUSY, env=env)

    def test_python_many_threads(self):
        for p in some_interpreters():
            with self.subTest(python=p.name):
                self.python("500 threads %s" % p.name, p, MANY)

    def test_python_deep(self):
        for p in some_interpreters():
            if p.version < (3, 11):
                with self.subTest(python=p.name):
                    self.python("deep recursion %s" % p.name, p, DEEP)

    def test_python_sigprof(self):
        for p in some_interpreters():
            with self.subTest(python=p.name):
                self.python("SIGPROF 1 kHz %s" % p.name, p, PROFILED)

    def with_module(self, name, module, code):
        found = [p for p in interpreters() if not subprocess.call(
            [p.path, "-c", "import " + module], stderr=subprocess.DEVNULL)]
        if not found:
            self.skipTest("no interpreter has " + module)
        self.python("%s %s" % (name, found[0].name), found[0], code)

    def test_gevent(self):
        self.with_module("gevent", "gevent", GEVENT)

    def test_numpy(self):
        self.with_module("numpy", "numpy", NUMPY)


class RealAgent(Case):
    """The whole thing, pymem-load with its agent, again and again."""

    def loads(self, name, python, code, *options, runs=None):
        runs = runs or (100 if TORTURE else 5)
        with Target(python, code) as t:
            complete = 0
            for _ in range(runs):
                out = run_load("-q", "--json", "-f", self.path("s.pymem"), *options, t.pid)
                snapshot = json.loads(out.stdout.decode())["snapshots"][0]
                complete += snapshot["status"] == "complete"
                self.assertTrue(t.alive, snapshot)
            errors = t.ask("errors")
            rows.append((name, runs, "all" if t.alive else "DIED", complete, 0))
            self.assertEqual(errors, [])
            self.assertGreaterEqual(complete, 0.99 * runs, snapshot)

    def test_busy(self):
        for p in interpreters():
            with self.subTest(python=p.name):
                self.loads("pymem-load, CPU-bound %s" % p.name, p, BUSY)

    def test_busy_external(self):
        for p in some_interpreters():
            with self.subTest(python=p.name):
                self.loads("pymem-load --method=external %s" % p.name, p, BUSY,
                           "--method=external")

    def test_server(self):
        """gunicorn and uwsgi answer while they are captured."""
        app = self.path("app.py")
        with open(app, "w") as f:
            f.write("import json\ndef application(env, start):\n"
                    "    body = json.dumps(list(range(100))).encode()\n"
                    "    start('200 OK', [('Content-Length', str(len(body)))])\n"
                    "    return [body]\n")
        for name, command in (
                ("gunicorn", ["gunicorn", "-w", "1", "-b", "127.0.0.1:%d", "--chdir", self.tmp,
                              "app:application"]),
                ("uwsgi", ["uwsgi", "--plugin", "python3", "--http-socket", "127.0.0.1:%d",
                           "--wsgi-file", app, "--master", "--need-app"])):
            if shutil.which(name):
                with self.subTest(server=name):
                    self.serve(name, command)

    def serve(self, name, command):
        import socket
        import urllib.request
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        command = [c % port if "%d" in c else c for c in command]
        log = open(self.path(name + ".log"), "wb")
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.tmp)
        log.close()
        url = "http://127.0.0.1:%d/" % port
        expected = json.dumps(list(range(100))).encode()
        answers, stop = [0, 0], threading.Event()

        def ask():
            with urllib.request.urlopen(url, timeout=20) as r:
                return r.read()

        def up():
            try:
                return ask() == expected
            except OSError:
                return False

        def clients():
            while not stop.is_set():
                try:
                    answers[ask() != expected] += 1
                except OSError:
                    answers[1] += 1

        try:
            wait_for(up, 30, name + " to answer")
            workers = ProcState(server.pid).children or [str(server.pid)]
            thread = threading.Thread(target=clients)
            thread.start()
            complete, runs = 0, 50 if TORTURE else 4
            for _ in range(runs):
                out = run_load("-q", "--json", "-f", self.path("s.pymem"), workers[-1])
                s = json.loads(out.stdout.decode())["snapshots"][0]
                complete += s["status"] == "complete"
            stop.set()
            thread.join()
            rows.append(("pymem-load, " + name, runs, "all", complete, 0))
            self.assertIsNone(server.poll())
            self.assertEqual(answers[1], 0)
            self.assertGreater(answers[0], 0)
            self.assertGreaterEqual(complete, 0.99 * runs, s)
            self.assertEqual(ProcState(server.pid).children or [str(server.pid)], workers)
        finally:
            stop.set()
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def tearDownModule():
    print("\n%-52s %5s %9s %9s %8s" % ("scenario", "runs", "survived", "captured", "refused"))
    for name, runs, survived, captured, refused in rows:
        print("%-52s %5d %9s %9d %8d" % (name[:52], runs, survived, captured, refused))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
