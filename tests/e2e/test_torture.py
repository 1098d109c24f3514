# ctest: labels=e2e;ptrace;slow timeout=1500 cost=85
# SPDX-License-Identifier: MIT
"""The torture suite: per scenario, runs / survived / captured.

By default a bounded version; with PYMEM_TORTURE=1 (tests/run --torture) 200
runs each.  A target that dies, hangs or finds anything changed fails the test;
so does a capture rate below 99 % (a truthful refusal, "no safe point", counts
as one when the external method would have been tried).

Python targets are captured by pymem-load with its agent; only C programs, which
have nothing to be captured, by the injection alone with an agent for any process."""
import re
import sys
import threading

from harness import *
from injection import *

RUNS = 200 if TORTURE else 8
LOADS = 200 if TORTURE else 2	# of the whole of pymem-load
JEMALLOC = "/usr/lib/%s-linux-gnu/libjemalloc.so.2" % os.uname().machine
rows = []


def row(*cells):
    """One scenario is over: told at once, and again in the table at the end."""
    rows.append(cells)
    print("  %-60s runs %d, survived %s, captured %d, refused %d" % cells, flush=True)


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
FORKS = WORK + r'''
import subprocess
stop = []
def children():
    while not stop:
        pid = os.fork()
        if not pid:
            os._exit(7)
        if os.waitpid(pid, 0) != (pid, 7 << 8):
            errors.append("fork")
def programs():
    while not stop:
        if subprocess.run(["/bin/echo", "x"], stdout=subprocess.PIPE).stdout != b"x\n":
            errors.append("subprocess")
for f in (children, programs):
    threading.Thread(target=f, daemon=True).start()
ready()
serve()
'''
POOL = WORK + r'''
import multiprocessing
stop = []
def square(n):
    return n * n
pool = multiprocessing.get_context("fork").Pool(2)
def loop():
    while not stop:
        if pool.map(square, range(200)) != [n * n for n in range(200)]:
            errors.append("pool")
threading.Thread(target=loop, daemon=True).start()
ready()
serve()
os._exit(0)
'''
ALARMS = WORK + r'''
import signal
ticks = [0]
def tick(*args):
    ticks[0] += 1
    work(0)
signal.signal(signal.SIGALRM, tick)
signal.signal(signal.SIGUSR1, tick)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
sent = [0]
def kill():
    while not stop:
        before = ticks[0]
        os.kill(os.getpid(), signal.SIGUSR1)
        sent[0] += 1
        time.sleep(0.003)
stop = []
threading.Thread(target=kill, daemon=True).start()
ready()
while not select.select([_r], [], [], 0)[0]:
    work(5)
if not ticks[0]:
    errors.append("no signal arrived")
signal.setitimer(signal.ITIMER_REAL, 0)
stop.append(1)
serve()
'''
CHURN = WORK + r'''
stop = []
done = [0]
def brief():
    work(1)
    done[0] += 1
def loop():
    while not stop:
        batch = [threading.Thread(target=brief) for _ in range(8)]
        for t in batch:
            t.start()
        for t in batch:
            t.join()
threading.Thread(target=loop, daemon=True).start()
ready()
serve()
'''
DLOPEN = WORK + r'''
import _ctypes, sys
stop = []
def loop():
    while not stop:
        handle = _ctypes.dlopen(sys.argv[1], 2)
        if not _ctypes.dlsym(handle, "pymem_agent_start"):
            errors.append("dlsym")
        _ctypes.dlclose(handle)
for _ in range(2):
    threading.Thread(target=loop, daemon=True).start()
ready()
serve()
'''
MALLOC = WORK + r'''
stop = []
def storm():
    while not stop:
        blocks = [bytes([i & 255]) * (i * 37 % 5000 + 1) for i in range(300)]
        if any(b[0] != i & 255 or b[-1] != i & 255 for i, b in enumerate(blocks)):
            errors.append("memory")
for _ in range(8):
    threading.Thread(target=storm, daemon=True).start()
ready()
serve()
'''
SMALL = WORK + r'''
threading.stack_size(max(64 * 1024, os.sysconf("SC_THREAD_STACK_MIN")))
stop = []
def loop():
    while not stop:
        work(1)
for _ in range(8):
    threading.Thread(target=loop, daemon=True).start()
ready()
serve()
'''
WAITS = WORK + r'''
import signal, socket, subprocess
stop = []
def timed(name, seconds, wait):
    def loop():
        while not stop:
            began = time.monotonic()
            try:
                wait()
            except Exception as e:
                errors.append("%s: %r" % (name, e))
                return
            took = time.monotonic() - began
            if took < seconds - 0.005 or took > seconds + 5:
                errors.append("%s took %.3f s for %.3f" % (name, took, seconds))
    threading.Thread(target=loop, daemon=True).start()
lock, condition = threading.Lock(), threading.Condition()
lock.acquire()
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1)
listener.settimeout(0.3)
def accept():
    try:
        listener.accept()
    except socket.timeout:
        pass
def wait_on_condition():
    with condition:
        condition.wait(0.15)
r, w = os.pipe()
def writer():
    while not stop:
        time.sleep(0.1)
        os.write(w, b"x" * 4)
def read():
    if len(os.read(r, 4)) == 0:
        errors.append("read ended")
def child():
    if subprocess.call(["/bin/sleep", "0.2"]):
        errors.append("wait4")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
timed("sleep", 0.2, lambda: time.sleep(0.2))
timed("select", 0.25, lambda: select.select([], [], [], 0.25))
timed("poll", 0.3, lambda: select.poll().poll(300))
timed("lock", 0.2, lambda: lock.acquire(timeout=0.2))
timed("condition", 0.15, wait_on_condition)
timed("accept", 0.3, accept)
timed("sigtimedwait", 0.2, lambda: signal.sigtimedwait([signal.SIGUSR2], 0.2))
timed("read", 0, read)
timed("wait4", 0.2, child)
threading.Thread(target=writer, daemon=True).start()
ready()
serve()
'''
LOOP = WORK + r'''
import asyncio
try:
    import uvloop
    uvloop.install()
except ImportError:
    pass
stop = []
async def beat(i):
    while not stop:
        began = time.monotonic()
        await asyncio.sleep(0.01 * (i % 5))
        if time.monotonic() - began < 0.01 * (i % 5) - 0.005:
            errors.append("woke up early")
        work(1)
async def echo(reader, writer):
    while not stop:
        writer.write(await reader.readexactly(5))
async def talk(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not stop:
        writer.write(b"hello")
        if await reader.readexactly(5) != b"hello":
            errors.append("echo")
        await asyncio.sleep(0.005)
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(talk(port), *(beat(i) for i in range(20)))
def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main())
threading.Thread(target=run, daemon=True).start()
ready()
serve()
'''
PAUSED = WORK + r'''
import signal
def answer():
    serve()
    os._exit(0)
threading.Thread(target=answer, daemon=True).start()
ready()
while True:
    signal.pause()
    errors.append("pause returned")
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
        row("C: " + name, len(results), "all" if survived else "DIED", captured, refused)
        self.assertTrue(survived, name)
        bad = [r for r in results if not good(r) and r["code"] not in (6, 7)]
        self.assertEqual(bad, [], name)
        self.assertGreaterEqual(captured + refused, 0.99 * len(results))
        self.assertGreater(captured, 0, name)

    def program(self, name, *argv, options=(), runs=RUNS, env=None):
        """What was logged."""
        with Program("torture", *argv, env=env) as p:
            _, results, log = drive(p.pid, "-a", "-n", runs, *options, timeout=900)
            alive = p.alive
            words = p.finish()
            self.assertEqual(len(results), runs)
            self.count(name, results, alive and words.startswith("ok "))
        return log

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

    def test_signals_that_are_held(self):
        """Those that can't be blocked meanwhile: each comes afterwards, with its value."""
        log = self.program("SIGSEGV... with values", "faults", 1, options=("-v",))
        self.assertIn("kept for later", log)


class RealAgent(Case):
    """The whole thing, pymem-load with its agent, again and again."""

    def loads(self, name, python, code, *options, runs=None, env=None, args=()):
        runs = runs or LOADS
        if env and python.free_threaded:    # it has no allocator but its own
            env.pop("PYTHONMALLOC", None)
        with Target(python, code, env=env, args=args) as t:
            complete, refused, bad = 0, 0, []
            for _ in range(runs):
                out = run_load("-q", "--json", "-f", self.path("s.pymem"), *options, t.pid)
                self.assertTrue(out.stdout, (out.returncode, out.stderr))
                s = json.loads(out.stdout.decode())["snapshots"][0]
                complete += s["status"] == "complete"
                if s["status"] != "complete":
                    bad.append(s["error"])
                    refused += bool(re.search("a call is safe|dynamic loader", s["error"] or ""))
                self.assertTrue(t.alive, s)
            errors = t.ask("errors")
            row("%s %s" % (name, python.name.split("/versions/")[-1]), runs,
                "all" if t.alive and not errors else "CHANGED", complete, refused)
            self.assertEqual(errors, [])
            self.assertGreaterEqual(complete + refused, 0.99 * runs, bad)
            self.assertGreater(complete, 0, bad)

    def some(self, name, code, *options, **kw):
        """On a few interpreters; in the bounded version on one."""
        found = some_interpreters()
        one = [p for p in found if p.path.startswith("/usr")] or found
        for p in found if TORTURE else one[:1]:
            with self.subTest(python=p.name):
                self.loads(name, p, code, *options, **kw)

    def test_waits(self):
        self.some("nine waits with a time", WAITS)

    def test_pause(self):
        self.some("main thread in pause", PAUSED)

    def test_forks(self):
        self.some("fork and subprocess storm", FORKS)

    def test_pool(self):
        self.some("multiprocessing pool", POOL)

    def test_alarms(self):
        self.some("SIGALRM 500 Hz, SIGUSR1", ALARMS)

    def test_threads_come_and_go(self):
        self.some("threads that come and go", CHURN)

    def test_dlopen_loop(self):
        self.some("dlopen/dlclose, 2 threads", DLOPEN, args=(MINI,))

    def test_malloc(self):
        self.some("malloc storm, 8 threads", MALLOC, env=dict(os.environ, PYTHONMALLOC="malloc"))

    def test_small_stacks(self):
        self.some("64 KiB stacks, 8 threads", SMALL)

    def test_event_loop(self):
        self.some("asyncio", LOOP)

    def test_busy(self):
        for p in interpreters() if LONG else some_interpreters():
            with self.subTest(python=p.name):
                self.loads("CPU-bound", p, BUSY)

    def test_busy_external(self):
        for p in some_interpreters() if not TORTURE else interpreters():
            with self.subTest(python=p.name):
                self.loads("CPU-bound, external", p, BUSY, "--method=external")

    def test_jemalloc(self):
        if not os.path.exists(JEMALLOC):
            self.skipTest("no libjemalloc2")
        self.some("jemalloc, CPU-bound", BUSY,
                  env=dict(os.environ, LD_PRELOAD=JEMALLOC, PYTHONMALLOC="malloc"))

    def test_many_threads(self):
        self.some("500 threads", MANY)

    def test_deep(self):
        found = [p for p in interpreters() if p.version < (3, 11)]
        for p in found[:1] if not TORTURE else found[::2]:
            with self.subTest(python=p.name):
                self.loads("deep recursion", p, DEEP)

    def test_sigprof(self):
        self.some("SIGPROF 1 kHz", PROFILED)

    def with_module(self, name, module, code):
        found = [p for p in interpreters() if not subprocess.call(
            [p.path, "-c", "import " + module], stderr=subprocess.DEVNULL)]
        if not found:
            self.skipTest("no interpreter has " + module)
        self.loads(name, found[0], code)

    def test_gevent(self):
        self.with_module("gevent", "gevent", GEVENT)

    def test_numpy(self):
        self.with_module("numpy", "numpy", NUMPY)

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
            complete, runs = 0, LOADS
            for _ in range(runs):
                out = run_load("-q", "--json", "-f", self.path("s.pymem"), workers[-1])
                s = json.loads(out.stdout.decode())["snapshots"][0]
                complete += s["status"] == "complete"
            stop.set()
            thread.join()
            row(name, runs, "all", complete, 0)
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
    print("\n%-60s %5s %9s %9s %8s" % ("scenario", "runs", "survived", "captured", "refused"))
    for name, runs, survived, captured, refused in rows:
        print("%-60s %5d %9s %9d %8d" % (name[:60], runs, survived, captured, refused))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
