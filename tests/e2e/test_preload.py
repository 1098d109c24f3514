# ctest: labels=e2e cost=90
# SPDX-License-Identifier: MIT
"""LD_PRELOAD: the agent arms itself in CPython processes only, and every trigger
takes whole snapshots without harming the program."""
import ctypes
import glob
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

from control_socket import *
from harness import *
from injection import state_of
from preloadcase import *

# Lives on in a thread until sys.argv[1] is there, with memory that only C knows of.
WITHOUT_MAIN = BASE + """
import ctypes, mmap, platform, threading
maps = [mmap.mmap(-1, 1 << 20) for _ in range(8)]
for m in maps:
    m[:] = b"x" * len(m)
def run():
    while not os.path.exists(sys.argv[1]): time.sleep(0.01)
    os._exit(7)
threading.Thread(target=run).start()
ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[platform.machine()], 0)
"""


def handles(pid, sig):
    """Has the process a handler for the signal?"""
    with open("/proc/%d/status" % pid) as f:
        caught = next(int(line.split()[1], 16) for line in f if line.startswith("SigCgt"))
    return bool(caught >> (sig - 1) & 1)


class Preload(PreloadCase):
    # ---- each trigger on every interpreter ----

    def test_at_exit(self):
        for python in interpreters():
            with self.subTest(python=python.name):
                env = self.env("exit-%p.pymem", PYMEM_AT_EXIT=1)
                done = self.run_python(python, BASE + "print('fine')\nsys.exit(3)", env)
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (3, b"fine\n", b""))
                path, = self.files("exit-*.pymem")
                self.assert_whole(path)
                os.unlink(path)
                self.assertEqual(os.listdir(self.tmp), [])

    def test_at_exit_of_a_short_program(self):
        """It may end before it can be asked for its exit, or before its interpreter was
        seen: then one line says so, and nothing else is said (3.8 prints an exception
        for a pending call that comes late)."""
        missed = (b"pymem: no snapshot at exit: the program ended before it could be asked "
                  b"for one\n")
        cleared = (b"pymem: no snapshot at exit: the program dropped its exit functions, or "
                   b"was at them already\n")
        bare = ["-S", "-E", "-I", "-c", ""]
        for python in interpreters():
            with self.subTest(python=python.name):
                env = self.env("exit-%p.pymem", PYMEM_AT_EXIT=1)
                for args in ([bare, ["-c", ""]] * (20 if LONG else 3)):
                    done = run([python.path, *args], env=env)
                    self.assertEqual((done.returncode, done.stdout), (0, b""))
                    found = self.files("exit-*.pymem")
                    self.assertIn(done.stderr, [b""] if found else [missed, cleared])
                    for path in found:
                        os.unlink(path)
                done = self.run_python(python, "import atexit, time\nwhile not "
                                       "atexit._ncallbacks(): time.sleep(0.01)\n"
                                       "atexit._clear()", env)
                self.assertEqual((done.returncode, done.stderr), (0, cleared))

    def test_arming_does_not_disturb_the_start(self):
        """The exit hook is put in while the interpreter is still importing its own
        modules: again and again, at whatever moment that is."""
        for python in interpreters() if LONG else some_interpreters():
            with self.subTest(python=python.name):
                env = preload(PYMEM_AT_EXIT=1, PYMEM_SOCKET=self.path("nobody"))
                for _ in range(60 if LONG else 12):
                    done = self.run_python(python, "print(1)", env)
                    self.assertEqual((done.returncode, done.stdout), (0, b"1\n"),
                                     done.stderr)

    def test_signal(self):
        for python in interpreters():
            with self.subTest(python=python.name), \
                    Target(python, BASE + "ready()\nserve()\n",
                           env=self.env("sig-%p-%t.pymem", PYMEM_SIGNAL="USR2")) as t:
                for n in (1, 2):
                    t.proc.send_signal(signal.SIGUSR2)
                    self.wait_files(n, pattern="sig-%d-*.pymem" % t.pid)
                for path in self.files("sig-%d-*.pymem" % t.pid):
                    self.assert_whole(path)
                self.assertEqual(t.ask("len(heap)"), 20000)

    def test_signal_while_busy_and_blocked(self):
        """A CPU-bound main thread, and one in a system call that must not see EINTR."""
        codes = ("ready()\nwhile True: json.dumps(heap[:100])\n",
                 "ready()\nt = time.monotonic(); time.sleep(2)\n"
                 "_out(round(time.monotonic() - t, 1))\nserve()\n")
        for python in some_interpreters():
            for code in codes:
                with self.subTest(python=python.name, code=code), \
                        Target(python, BASE + code,
                               env=self.env("busy-%p.pymem", PYMEM_SIGNAL="RTMIN+5")) as t:
                    if "sleep" in code:     # the call itself lasts no longer than 2 s
                        t.await_call("sleep")
                    t.proc.send_signal(signal.SIGRTMIN + 5)
                    path, = self.wait_files(pattern="busy-%d.pymem" % t.pid)
                    self.assert_whole(path)
                    self.assertTrue(t.alive)
                    if "sleep" in code:
                        self.assertGreaterEqual(t._line(), 2.0)

    def test_interval_and_keep(self):
        for python in interpreters() if LONG else some_interpreters():
            with self.subTest(python=python.name), \
                    Target(python, BASE + "ready()\nserve()\n",
                           env=self.env("i-%p-%t.pymem", PYMEM_INTERVAL="300ms",
                                        PYMEM_KEEP=2)) as t:
                pattern = "i-%d-*.pymem" % t.pid
                seen = set()
                self.assertTrue(until(lambda: seen.update(self.files(pattern)) or
                                      len(seen) >= 4, 30))
                self.assertLessEqual(len(self.files(pattern)), 3)
                self.assertGreaterEqual(len(self.files(pattern)), 1)
                t.tell("heap.append(1)")

    def test_at_most_so_many(self):
        python = some_interpreters(1)[0]
        with Target(python, BASE + "ready()\nserve()\n", stderr=subprocess.PIPE,
                    env=self.env("most-%p-%t.pymem", PYMEM_INTERVAL="100ms",
                                 PYMEM_SNAPSHOTS=2)) as t:
            self.assertIn(b"PYMEM_SNAPSHOTS", t.proc.stderr.readline())
            self.assertEqual(len(self.files("most-*.pymem")), 2)
            self.assertEqual(t.ask("len(heap)"), 20000)

    def test_output_into_a_pipe_and_a_folder(self):
        """PYMEM_OUTPUT names what is there already."""
        python = some_interpreters(1)[0]
        folder, pipe = self.path("folder"), self.path("pipe")
        os.mkdir(folder)
        os.mkfifo(pipe)
        done = run([python.path, "-c", BASE], env=preload(PYMEM_OUTPUT=folder,
                                                          PYMEM_AT_EXIT=1))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        name, = os.listdir(folder)
        self.assert_whole(os.path.join(folder, name))
        with open(self.path("read.pymem"), "wb") as out:
            os.fchmod(out.fileno(), 0o600)
            reader = subprocess.Popen(["cat", pipe], stdout=out)
        done = run([python.path, "-c", BASE], env=preload(PYMEM_OUTPUT=pipe,
                                                          PYMEM_AT_EXIT=1))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(reader.wait(60), 0)
        self.assert_whole(self.path("read.pymem"))

    def test_output_that_is_no_file_stays(self):
        """A device, in its place or come meanwhile, and a link: never replaced."""
        python = some_interpreters(1)[0]
        os.symlink("/dev/null", self.path("null"))
        done = run([python.path, "-c", BASE],
                   env=preload(PYMEM_OUTPUT=self.path("null"), PYMEM_AT_EXIT=1))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        os.symlink("file", self.path("link"))
        done = run([python.path, "-c", BASE],
                   env=preload(PYMEM_OUTPUT=self.path("link"), PYMEM_AT_EXIT=1))
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, rb"^pymem: PYMEM_OUTPUT: [^\n]* symbolic link[^\n]*\n$")
        done = run([python.path, "-c", BASE + "os.symlink('file', %r)" % self.path("new")],
                   env=preload(PYMEM_OUTPUT=self.path("new"), PYMEM_AT_EXIT=1))
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, rb"^pymem: no snapshot: [^\n]* symbolic link[^\n]*\n$")
        self.assertEqual(sorted(os.listdir(self.tmp)), ["link", "new", "null"])
        self.assertTrue(all(os.path.islink(self.path(n)) for n in os.listdir(self.tmp)))

    @unittest.skipUnless(os.geteuid() == 0, "needs a terminal's or a device's node")
    def test_output_device_is_written_to(self):
        python = some_interpreters(1)[0]
        path = self.path("node")
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 7))  # full
        done = run([python.path, "-c", BASE], env=preload(PYMEM_OUTPUT=path,
                                                          PYMEM_AT_EXIT=1))
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, rb"^pymem: no snapshot: [^\n]*\n$")
        self.assertTrue(stat.S_ISCHR(os.stat(path).st_mode))
        self.assertEqual(os.listdir(self.tmp), ["node"])

    def test_output_terminal_is_refused(self):
        ours, theirs = os.openpty()
        done = run([some_interpreters(1)[0].path, "-c", BASE],
                   env=preload(PYMEM_OUTPUT=os.ttyname(theirs), PYMEM_AT_EXIT=1))
        os.close(theirs)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, rb"^pymem: no snapshot: [^\n]* terminal[^\n]*\n$")
        os.set_blocking(ours, False)
        with self.assertRaises(OSError):
            os.read(ours, 100)
        os.close(ours)

    def test_socket(self):
        """PYMEM_SOCKET, alone and with PYMEM_OUTPUT: the same bytes on both."""
        for python in some_interpreters():
            with self.subTest(python=python.name):
                path = self.path("listen")
                server = socket.socket(socket.AF_UNIX)
                server.bind(path)
                server.listen(4)
                received = []

                def serve():
                    peer, _ = server.accept()
                    data = bytearray()
                    while True:
                        chunk = peer.recv(1 << 20)
                        if not chunk:
                            break
                        data.extend(chunk)
                    received.append(bytes(data))
                thread = threading.Thread(target=serve)
                thread.start()
                env = self.env("both-%p.pymem", PYMEM_AT_EXIT=1, PYMEM_SOCKET=path)
                done = self.run_python(python, BASE, env)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                thread.join(20)
                server.close()
                os.unlink(path)
                file, = self.files("both-*.pymem")
                with open(file, "rb") as f:
                    self.assertEqual(f.read(), received[0])
                self.assert_whole(file)
                os.unlink(file)

    def test_nobody_listens(self):
        env = preload(PYMEM_AT_EXIT=1, PYMEM_SOCKET=self.path("nobody"))
        done = self.run_python(some_interpreters(1)[0], BASE + "print(1)", env)
        self.assertEqual((done.returncode, done.stdout), (0, b"1\n"))
        self.assertEqual(done.stderr.count(b"\n"), 1)

    # ---- process trees ----

    def test_non_python_children(self):
        """sh, ls, cat: no thread, no file, no line, nothing mapped but the library."""
        env = self.env(PYMEM_AT_EXIT=1, PYMEM_SIGNAL="USR2", PYMEM_INTERVAL="100ms")
        done = run(["sh", "-c", "ls / >/dev/null; grep Threads /proc/self/status; "
                                "cat /proc/self/status | grep SigCgt"], env=env)
        self.assertEqual(done.stderr, b"")
        self.assertIn(b"Threads:\t1\n", done.stdout)
        self.assertIn(b"SigCgt:\t0000000000000000\n", done.stdout)
        self.assertEqual(os.listdir(self.tmp), [])

    def test_unset_is_inert(self):
        """Preloaded but not configured: a python without a second thread."""
        python = some_interpreters(1)[0]
        done = self.run_python(python, "import os; os.system('cat /proc/%d/status' % "
                               "os.getpid())", preload())
        self.assertIn(b"Threads:\t1\n", done.stdout)
        self.assertEqual(done.stderr, b"")

    def test_exit_without_an_exit_list(self):
        """The program's atexit is no module of exit functions: one line says so, and no
        exception of ours comes up anywhere."""
        code = ("import sys, types\nsys.modules['atexit'] = types.ModuleType('atexit')\n"
                "ready(sys.exc_info()[0] is None)\nserve()\n")
        for python in some_interpreters():
            with self.subTest(python=python.name), \
                    Target(python, code, stderr=subprocess.PIPE,
                           env=self.env("exit-%p.pymem", PYMEM_AT_EXIT=1)) as t:
                self.assertTrue(t.greeting)
                self.assertEqual(t.ask("[sum(range(9)) for _ in range(3)]"), [36] * 3)
                t.proc.stderr.close()

    def test_tree(self):
        """sh -c → python → fork, multiprocessing fork and spawn, subprocess, posix_spawn:
        each python takes its own."""
        code = BASE + '''
import multiprocessing as mp, subprocess
own = """
import os, signal, time
os.kill(os.getpid(), signal.SIGUSR2)
while not os.path.exists(os.environ["PYMEM_OUTPUT"].replace("%p", str(os.getpid()))):
    time.sleep(.05)
"""
def child(q):
    exec(own, {})
if __name__ == "__main__":
    pids, started = [], []
    pid = os.fork()
    if pid == 0:
        child(None); os._exit(0)
    pids.append(pid)
    for method in ("fork", "spawn"):
        p = mp.get_context(method).Process(target=child, args=(None,))
        p.start(); pids.append(p.pid); started.append(p)
    p = subprocess.Popen([sys.executable, "-c", own]); pids.append(p.pid)
    if hasattr(os, "posix_spawn"):
        pids.append(os.posix_spawn(sys.executable, [sys.executable, "-c", own], os.environ))
    subprocess.call(["true"])
    for p in started:
        p.join()
    print(*pids, flush=True)
    for pid in pids:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
'''
        for python in some_interpreters():
            with self.subTest(python=python.name):
                script = self.path("tree.py")
                with open(script, "w") as f:
                    f.write(code)
                env = self.env("tree-%p.pymem", PYMEM_SIGNAL="USR2", PYTHONWARNINGS="ignore")
                done = run(["sh", "-c", "%s %s; exit $?" % (python.path, script)], env=env)
                self.assertEqual(done.returncode, 0, done.stderr)
                for pid in done.stdout.split():
                    path = self.path("tree-%s.pymem" % pid.decode())
                    self.assertTrue(os.path.exists(path), (pid, os.listdir(self.tmp),
                                                           done.stderr))
                    self.assertTrue(is_complete(open(path, "rb").read()))
                    os.unlink(path)
                self.assertEqual(self.files(), [])

    def test_no_thread_inside_of_fork(self):
        """A child by libc's fork alone, which Python hasn't called whole, has no thread of
        ours yet; 3.6 can't say it, and queues a call (hooks.h)."""
        code = ("import ctypes, os\ncount = lambda: len(os.listdir('/proc/self/task'))\n"
                "before, pid = count(), ctypes.PyDLL(None).fork()\n"
                "if not pid: os._exit(count())\n"
                "print(before, os.waitpid(pid, 0)[1] >> 8)\n")
        for python in some_interpreters():
            if python.version >= (3, 7):
                with self.subTest(python=python.name):
                    done = self.run_python(python, code, self.env(PYMEM_SIGNAL=1))
                    self.assertEqual((done.stdout, done.stderr), (b"2 1\n", b""))

    def test_gunicorn(self):
        """A pre-fork server: each worker answers its own signal, requests go on."""
        gunicorn = next((p for p in ("/usr/bin/gunicorn", "/usr/bin/gunicorn3")
                         if os.path.exists(p)), None)
        if not gunicorn:
            self.skipTest("Debian's gunicorn is not installed")
        with open(self.path("app.py"), "w") as f:
            f.write("heap = [{'n': i} for i in range(20000)]\n"
                    "def app(environ, start):\n"
                    "    start('200 OK', [])\n    return [b'%d' % len(heap)]\n")
        address = self.path("http")
        server = subprocess.Popen(
            ["/usr/bin/python3", gunicorn, "-w", "2", "-b", "unix:" + address, "app:app"],
            cwd=self.tmp, env=self.env("g-%p.pymem", PYMEM_SIGNAL="RTMIN+1"),
            stderr=subprocess.DEVNULL)
        try:
            def workers():
                with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as f:
                    return f.read().split() if os.path.exists(address) else []
            self.assertTrue(until(lambda: len(workers()) == 2 and
                                  all(handles(int(pid), signal.SIGRTMIN + 1)
                                      for pid in workers())))
            for pid in workers():
                os.kill(int(pid), signal.SIGRTMIN + 1)
            for path in self.wait_files(2, pattern="g-*.pymem"):
                self.assert_whole(path, 20000)
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(address)
                s.send(b"GET / HTTP/1.0\r\n\r\n")
                self.assertTrue(s.recv(4096).startswith(b"HTTP/1"))
        finally:
            server.terminate()
            server.wait(10)

    def gunicorn(self, sig):
        """gunicorn with two workers and PYMEM_SIGNAL=sig, or the test is skipped."""
        if not os.path.exists("/usr/bin/gunicorn"):
            self.skipTest("Debian's gunicorn is not installed")
        with open(self.path("app.py"), "w") as f:
            # loaded when the worker has set its signals
            f.write("import os\nheap = [{'n': i} for i in range(20000)]\n"
                    "open('up-%d' % os.getpid(), 'w').close()\n"
                    "def app(environ, start):\n"
                    "    start('200 OK', [])\n    return [b'%d' % len(heap)]\n")
        with open(self.path("log"), "wb") as log:
            server = subprocess.Popen(
                ["/usr/bin/python3", "/usr/bin/gunicorn", "-w", "2", "-b",
                 "unix:" + self.path("http"), "--pid", self.path("pid"), "app:app"],
                cwd=self.tmp, env=self.env("g-%p.pymem", PYMEM_SIGNAL=sig), stderr=log)
        self.addCleanup(server.wait, 60)
        self.addCleanup(server.terminate)
        return server

    def workers(self, master, but=()):
        """Two workers that serve, none of those in `but`."""
        def now():
            with open("/proc/%d/task/%d/children" % (master, master)) as f:
                mine = [int(pid) for pid in f.read().split()]
            # a master that upgrades itself has another one among its children
            return [pid for pid in mine if pid not in but and
                    os.path.exists(self.path("up-%d" % pid))]
        self.assertTrue(until(lambda: len(now()) == 2, 60))
        return now()

    def taken(self, pids, sig):
        """Each of them writes a snapshot on the signal, and lives."""
        for pid in pids:
            self.assertTrue(until(lambda: handles(pid, sig), 60), "%d isn't armed" % pid)
            os.kill(pid, sig)
            self.assert_whole(self.wait_files(1, pattern="g-%d.pymem" % pid)[0], 20000)
            os.unlink(self.path("g-%d.pymem" % pid))
            self.assertTrue(os.path.exists("/proc/%d" % pid))

    def test_gunicorn_life(self):
        """PYMEM_SIGNAL=1 through a restarted worker, a reload and an upgrade."""
        own = signal.SIGRTMIN + 5
        server = self.gunicorn("1")
        first = self.workers(server.pid)
        self.taken(first, own)
        os.kill(first[0], signal.SIGKILL)
        second = self.workers(server.pid, first[:1])
        self.taken(second, own)
        os.kill(server.pid, signal.SIGHUP)
        third = self.workers(server.pid, second)
        self.taken(third, own)
        os.kill(server.pid, signal.SIGUSR2)
        self.assertTrue(until(lambda: os.path.exists(self.path("pid.2")), 60))
        with open(self.path("pid.2")) as f:
            upgraded = int(f.read())
        self.addCleanup(until, lambda: not os.path.exists("/proc/%d" % upgraded), 60)
        self.addCleanup(os.kill, upgraded, signal.SIGTERM)
        self.taken(self.workers(upgraded), own)
        self.taken([upgraded], own)

    def test_gunicorn_borrowed_signal(self):
        """USR2, which gunicorn's workers give its default back, doesn't end them."""
        server = self.gunicorn("USR2")
        pids = self.workers(server.pid)
        self.taken(pids, signal.SIGUSR2)
        with open(self.path("log")) as f:
            said = f.read()
        self.assertNotIn("terminated", said)
        self.assertIn("PYMEM_SIGNAL=1 takes one", said)
        self.assertEqual(pids, self.workers(server.pid))

    # ---- signals of the application ----

    def test_signal_chain(self):
        """A handler that was there first is called after ours; one that the program
        sets later replaces ours."""
        python = some_interpreters(1)[0]
        with Target(python, BASE + "ready()\nserve()\n",
                    env=self.env("c-%p-%t.pymem", PYMEM_SIGNAL="USR1")) as t:
            t.tell("got = []\nsignal.signal(signal.SIGUSR1, lambda *a: got.append(1))")
            t.proc.send_signal(signal.SIGUSR1)
            self.assertTrue(until(lambda: t.ask("got") == [1]))
            self.assertEqual(self.files("c-*.pymem"), [])

    # ---- misconfiguration ----

    def test_misconfiguration(self):
        """One line on stderr, exit status and output of the program unchanged."""
        out = self.path("x.pymem")
        wrong = [
            dict(PYMEM_OUTPUT=out, PYMEM_INTERVAL="soon"),
            dict(PYMEM_OUTPUT=out, PYMEM_INTERVAL="-5"),
            dict(PYMEM_OUTPUT=out, PYMEM_SIGNAL="KILL"),
            dict(PYMEM_OUTPUT=out, PYMEM_RSS_LIMIT="120%"),
            dict(PYMEM_OUTPUT=out, PYMEM_RSS_LIMIT="lots"),
            dict(PYMEM_OUTPUT=out, PYMEM_AT_EXIT="maybe"),
            dict(PYMEM_OUTPUT=out, PYMEM_AT_EXIT="1", PYMEM_KEEP="0"),
            dict(PYMEM_OUTPUT=out, PYMEM_AT_EXIT="1", PYMEM_TYPO="1"),
            dict(PYMEM_OUTPUT="/nonexistent/dir/x", PYMEM_AT_EXIT="1"),
            dict(PYMEM_OUTPUT=self.path("%q"), PYMEM_AT_EXIT="1"),
            dict(PYMEM_AT_EXIT="1"),
            dict(PYMEM_OUTPUT=out),
            dict(PYMEM_SOCKET="/" + "x" * 200, PYMEM_AT_EXIT="1"),
            dict(PYMEM_CONTROL="/proc"),
        ]
        python = interpreters()[-1]
        for variables in wrong:
            with self.subTest(**variables):
                done = self.run_until_said(python, preload(**variables), "PYMEM_TYPO" in variables)
                self.assertEqual((done.returncode, done.stdout), (0, b"42\n"))
                self.assertRegex(done.stderr, rb"^pymem: [^\n]*\n$")
                if "PYMEM_TYPO" in variables:
                    self.assertIn(b"PYMEM_TYPO", done.stderr)
                    self.assertTrue(os.path.exists(out))
                    os.unlink(out)
                self.assertEqual(os.listdir(self.tmp), [])

    def test_exit_during_a_snapshot(self):
        """The program ends while one is being taken, at any moment of it: its exit
        status is its own, and no half of a file stays."""
        code = BASE + ("import threading\n"
                       "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
                       "def armed():\n"
                       "    with open('/proc/self/status') as f:\n"
                       "        caught = next(l for l in f if l.startswith('SigCgt'))\n"
                       "    return int(caught.split()[1], 16) >> signal.SIGRTMIN + 4 & 1\n"
                       "while not armed(): time.sleep(0.001)\n"
                       "os.kill(os.getpid(), signal.SIGRTMIN + 5)\n"
                       "time.sleep(float(sys.argv[1])); sys.exit(5)\n")
        for python in interpreters() if LONG else some_interpreters():
            with self.subTest(python=python.name):
                for seconds in ("0", "0.0005", "0.002", "0.005", "0.02"):
                    done = run([python.path, "-c", code, seconds],
                               env=self.env("x-%p.pymem", PYMEM_SIGNAL="1"))
                    self.assertEqual((done.returncode, done.stderr), (5, b""))
                self.assertEqual(self.files("*.part"), [])

    def test_no_space_for_the_file(self):
        """A limit of file sizes: the cause is said, no part stays in the way, and the
        next one succeeds when it is gone."""
        python = some_interpreters(1)[0]
        code = ("import resource\n" + BASE +
                "resource.setrlimit(resource.RLIMIT_FSIZE, (10240, -1))\nready()\nserve()\n")
        with Target(python, code, stderr=subprocess.PIPE,
                    env=self.env("%t.pymem", PYMEM_SIGNAL="1")) as t:
            t.proc.send_signal(signal.SIGRTMIN + 5)
            said = t.proc.stderr.readline()
            self.assertRegex(said, rb"^pymem: no snapshot: [^\n]*written[^\n]*"
                                   rb": a limit of file sizes\n$")
            self.assertEqual(os.listdir(self.tmp), [])
            t.ask("resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))")
            t.proc.send_signal(signal.SIGRTMIN + 5)
            self.assert_whole(self.wait_files()[0])
            t.proc.stderr.close()

    def test_output_becomes_unwritable(self):
        """The directory goes away later: a line per attempt, the program runs on."""
        os.mkdir(self.path("d"))
        python = some_interpreters(1)[0]
        with Target(python, BASE + "ready()\nserve()\n", stderr=subprocess.PIPE,
                    env=self.env("d/%t.pymem", PYMEM_SIGNAL="1")) as t:
            os.rmdir(self.path("d"))
            t.proc.send_signal(signal.SIGRTMIN + 5)
            self.assertTrue(t.proc.stderr.readline().startswith(b"pymem: no snapshot"))
            self.assertEqual(t.ask("1 + 1"), 2)
            t.proc.stderr.close()

    def test_first_thread_has_ended(self):
        """... and others live on: /proc/PID has nothing then, but all is told."""
        for i, python in enumerate(interpreters() if LONG else some_interpreters()):
            folder = self.path("d%d" % i)
            os.mkdir(folder, 0o700)
            for env in (preload(PYMEM_OUTPUT=folder + "/%t.pymem", PYMEM_SIGNAL=1,
                                PYMEM_CONTROL=folder), None):
                with self.subTest(python=python.name, preloaded=env is not None):
                    self.look_without_main(python, env, folder)

    def look_without_main(self, python, env, folder):
        stop = folder + "/stop"
        process = subprocess.Popen([python.path, "-c", WITHOUT_MAIN, stop],
                                   stderr=subprocess.PIPE, env=env)
        try:
            wait_for(lambda: state_of(process.pid) == "Z")
            threads = os.listdir("/proc/%d/task" % process.pid)
            if env:
                wait_for(lambda: os.path.exists("%s/%d.sock" % (folder, process.pid)))
                process.send_signal(signal.SIGRTMIN + 5)
                wait_for(lambda: glob.glob(folder + "/*.pymem"))
                self.assert_told(glob.glob(folder + "/*.pymem")[0])
            for options in (), ("--no-fork",), ("--method=external",):
                done = run_load("-f", folder + "/loaded", *options, process.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn(b" 0 B resident", done.stdout)
                self.assert_told(folder + "/loaded")
            self.assertEqual(os.listdir("/proc/%d/task" % process.pid), threads)
        finally:
            with open(stop, "w"):
                pass
            said = process.communicate(timeout=120)[1]
            os.unlink(stop)
        self.assertEqual((process.returncode, said), (7, b""))

    def assert_told(self, path):
        self.assert_whole(path)
        done = run_view("--no-sidecar", "--format", "json", "--report", "types", "--limit",
                        "100000", path)
        rows, = (p["rows"] for p in json.loads(done.stdout.decode())["processes"])
        self.assertEqual([row["native"] for row in rows if row["type"] == "mmap.mmap"],
                         [8 << 20])
        done = run_view("--no-sidecar", "--format", "json", "--sql",
                        "SELECT key FROM fact WHERE key = 'memory.note'", path)
        self.assertEqual(json.loads(done.stdout.decode())["rows"], [])
        for key in ("cmdline", "executable"):
            self.assertIn("python", fact_of(path, key))

    # ---- the control socket ----

    def test_control_directory_is_private(self):
        os.mkdir(self.path("c"), 0o777)
        os.chmod(self.path("c"), 0o777)
        done = self.run_until_said(some_interpreters(1)[0],
                                   preload(PYMEM_CONTROL=self.path("c")))
        self.assertIn(b"mode 0700", done.stderr)
        self.assertEqual(os.listdir(self.path("c")), [])

    def test_control_says_why(self):
        """No folder to make it in, a file or a link in its place."""
        with open(self.path("file"), "w"):
            pass
        os.symlink(".", self.path("link"))
        for path, why in (("none/c", b"no such file"), ("file", b"no directory"),
                          ("file/c", b"no directory"), ("link", b"symbolic link"),
                          ("x" * 90, b"too long|wrong")):
            done = self.run_until_said(some_interpreters(1)[0],
                                       preload(PYMEM_CONTROL=self.path(path)))
            self.assertRegex(done.stderr, b"^pymem: PYMEM_CONTROL[^\n]*(%s)[^\n]*\n$" % why)

    def test_control_is_made_and_removed(self):
        with Target(some_interpreters(1)[0], BASE + "ready()\nserve()\n",
                    env=preload(PYMEM_CONTROL=self.path("new"))) as t:
            capture = ask_agent(self.path("new"), t.pid).finish()
            self.assertTrue(is_complete(capture.data))
            self.assertEqual(stat.S_IMODE(os.stat(self.path("new")).st_mode), 0o700)
            t.w.close()
            t.proc.wait(120)
        self.assertEqual(os.listdir(self.path("new")), [])

    def test_control_refuses_garbage(self):
        with Target(some_interpreters(1)[0], BASE + "ready()\nserve()\n",
                    env=preload(PYMEM_CONTROL=self.tmp)) as t:
            self.assertEqual(ask_agent(self.tmp, t.pid, raw=b"x" * START.size), -71)
            self.assertEqual(ask_agent(self.tmp, t.pid, raw=b"short"), -71)
            path = self.path("%d.sock" % t.pid)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
                silent.connect(path)        # says nothing: dropped after a second
                capture = ask_agent(self.tmp, t.pid).finish()
                self.assertTrue(is_complete(capture.data))
            fds = len(os.listdir("/proc/%d/fd" % t.pid))
            self.assertTrue(until(lambda: len(os.listdir("/proc/%d/fd" % t.pid)) <= fds))

    def test_control_socket_gets_its_name_last(self):
        """Who finds it can connect; what an ended process left is taken away."""
        libc = ctypes.CDLL(None, use_errno=True)
        watch = libc.inotify_init1(os.O_CLOEXEC)
        self.assertGreaterEqual(libc.inotify_add_watch(watch, os.fsencode(self.tmp), 0x180), 0)

        def leave():    # as a process of this number that was killed meanwhile
            for name in ("new", "sock"):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                    s.bind("%s/%d.%s" % (self.tmp, os.getpid(), name))

        with Target(some_interpreters(1)[0], BASE + "ready()\nserve()\n",
                    env=preload(PYMEM_CONTROL=self.tmp), preexec_fn=leave) as t:
            name = b"%d.sock" % t.pid
            self.assertTrue(is_complete(ask_agent(self.tmp, t.pid).finish().data))
            self.assertEqual(os.listdir(os.fsencode(self.tmp)), [name])
            events, at, named = os.read(watch, 65536), 0, []
            while at < len(events):
                _, mask, _, size = struct.unpack_from("iIII", events, at)
                if events[at + 16:at + 16 + size].rstrip(b"\0") == name:
                    named.append(mask)
                at += 16 + size
            self.assertEqual(named, [0x100, 0x80])  # made by leave(), moved over
        os.close(watch)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_control_refuses_another_user(self):
        os.chmod(self.tmp, 0o711)
        directory = self.path("c")
        env = preload(PYMEM_CONTROL=directory)
        with Target(some_interpreters(1)[0], BASE + "ready()\nserve()\n", env=env,
                    stderr=subprocess.PIPE) as t:
            path = "%s/%d.sock" % (directory, t.pid)
            self.assertTrue(until(lambda: os.path.exists(path)))
            os.chmod(directory, 0o711)      # the kernel's check is not the only one
            os.chmod(path, 0o777)
            code = ("import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
                    "s.connect(%r); print(s.recv(10))" % path)
            done = run(["/usr/bin/python3", "-c", code], user=65534)
            self.assertEqual(done.stdout, b"b''\n", done.stderr)
            self.assertIn(b"another user", t.proc.stderr.readline())
            t.proc.stderr.close()

    def test_forked_child_listens_itself(self):
        with Target(some_interpreters(1)[0], BASE + """
pid = os.fork()
if pid == 0:
    time.sleep(20); os._exit(0)
ready(pid)
serve()
""", env=preload(PYMEM_CONTROL=self.tmp, PYTHONWARNINGS="ignore")) as t:
            for pid in (t.greeting, t.pid):
                capture = ask_agent(self.tmp, pid).finish()
                self.assertTrue(is_complete(capture.data))
                self.assertEqual(capture.message("hello")[3], pid)
            os.kill(t.greeting, signal.SIGKILL)


if __name__ == "__main__":
    main()
