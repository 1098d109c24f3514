# ctest: labels=e2e;ptrace cost=48
# SPDX-License-Identifier: MIT
"""pymem-load when things go wrong: one clear sentence, the right exit status, and
neither the target nor an earlier file harmed."""
import ctypes
import glob
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time

from harness import *
from injection import state_of

IDLE = "ready()\nserve()\n"
BIG = """
class Node:
    __slots__ = ("next", "value")
ALL = []
for i in range(int(sys.argv[1])):
    n = Node(); n.value = (i, str(i)); n.next = ALL[-1] if ALL else None
    ALL.append(n)
ready(len(ALL))
serve()
"""
NOBODY = 65534


def as_nobody(argv):
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"] + argv


def _first_line(path):
    with open(path) as f:
        return f.readline().endswith("\n")


def is_root():
    return os.geteuid() == 0


class Errors(Case):
    def setUp(self):
        super().setUp()
        self.python = interpreters()[-1]

    def load(self, *args, **kw):
        return run_load(*args, cwd=self.tmp, **kw)

    def expect(self, done, status, *words):
        text = done.stderr.decode()
        self.assertEqual(done.returncode, status, text)
        lines = [l for l in text.splitlines() if l.startswith("pymem-load:")]
        self.assertTrue(lines, text)
        for word in words:
            self.assertRegex(text, word)

    def nothing_written(self):
        left = [os.path.join(d, f) for d, _, fs in os.walk(self.tmp) for f in fs]
        self.assertEqual(left, [])

    def test_usage(self):
        for args in ([], ["--bogus", "1"], ["-s", "x", "1"], ["1", "1"], ["0"],
                     ["--json", "-f", "-", "1"], ["--method", "x", "1"], ["--"]):
            done = self.load(*args)
            self.expect(done, 2)
            self.assertIn(b"--help", done.stderr)
            self.assertEqual(done.stdout, b"")
        self.nothing_written()

    def test_no_such_name(self):
        self.expect(self.load("abc"), 1, "no CPython process is called 'abc'.*ps")
        self.nothing_written()

    def test_help_and_version(self):
        done = self.load("--help")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        for option in ("--json", "--snapshot", "-ss NAME", "--gil-timeout", "--every"):
            self.assertIn(option.encode(), done.stdout)
        for line in done.stdout.decode().splitlines():
            self.assertLessEqual(len(line), 80, line)
        done = self.load("--version")
        self.assertRegex(done.stdout, rb"^pymem-load \d+\.\d+\.\d+\n$")

    def test_no_such_process(self):
        child = subprocess.Popen(["true"])
        child.wait()
        self.expect(self.load(child.pid), 1, r"\b%d\b" % child.pid, "no (such )?process")
        self.nothing_written()

    def test_not_python(self):
        child = subprocess.Popen(["sleep", "100"])
        wait_for(lambda: "(sleep) S" in _read(child.pid))
        try:
            before = ProcState(child.pid)
            self.expect(self.load(child.pid), 1, "[Pp]ython")
            self.assertEqual(before.differences(ProcState(child.pid)), [])
        finally:
            child.kill()
            child.wait()
        self.nothing_written()

    def test_zombie(self):
        child = subprocess.Popen(["true"])
        wait_for(lambda: _read(child.pid).rpartition(")")[2].split()[0] == "Z")
        self.expect(self.load(child.pid), 1, "ended|zombie")
        child.wait()

    def test_kernel_thread(self):
        if not os.path.exists("/proc/2/comm") or os.path.exists("/proc/2/exe"):
            self.skipTest("no kernel threads to be seen here")
        self.expect(self.load(2), 1, "kernel")

    def test_missing_agent(self):
        with Target(self.python, IDLE) as t:
            env = dict(os.environ, PYMEM_AGENT="/no/such/agent.so")
            self.expect(self.load(t.pid, env=env), 1, "/no/such/agent.so", "PYMEM_AGENT")
            env["PYMEM_AGENT"] = __file__
            self.expect(self.load(t.pid, env=env), 1, "cannot use the agent")
        self.nothing_written()

    def test_unwritable_output(self):
        with Target(self.python, IDLE) as t:
            before = ProcState(t.pid)
            self.expect(self.load("-f", "no/such/dir/x.pymem", t.pid), 1, "no/such/dir", "-f FILE")
            self.expect(self.load("-f", self.tmp, t.pid), 1, "folder")
            self.expect(self.load("-f", "/dev/full", t.pid), 1, "No space left")
            self.assert_untouched(before)
            self.expect(self.load("--snapshot", "none.pymem", t.pid), 1, "none.pymem")
        self.nothing_written()

    def test_closed_output(self):
        """What nobody could get isn't made, or isn't done."""
        with Target(self.python, IDLE) as t:
            before = ProcState(t.pid)
            for options in ("-qf -", "--summary", "--json", "-f x.pymem", "--dry-run"):
                with self.subTest(options=options):
                    done = run(["sh", "-c", "exec %s %s %d >&-" % (LOAD, options, t.pid)],
                               cwd=self.tmp)
                    self.expect(done, 1, "standard output")
            done = run(["sh", "-c", "exec %s -qf y.pymem %d >&-" % (LOAD, t.pid)],
                       cwd=self.tmp)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assert_untouched(before)

    def test_limits_name_the_process(self):
        """A copy has gone when its number is read: the remedy is for the process."""
        code = ("import resource\n"
                "have = int(open('/proc/self/statm').read().split()[0]) * 4096 + (1 << 20)\n"
                "ready()\n"
                "resource.setrlimit(resource.RLIMIT_AS, (have, have))\n"
                "serve()\n")
        with Target(self.python, code) as t:
            wait_for(lambda: resource.prlimit(t.pid, resource.RLIMIT_AS)[0] > 0)
            for options in ([], ["--method=agent"], ["--method=external"]):
                with self.subTest(options=options):
                    done = self.as_ordinary(t.pid, *options)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    named = re.findall(rb"(?:--pid|process) (\d+)", done.stderr)
                    self.assertEqual(set(map(int, named)), {t.pid}, done.stderr)

    def as_ordinary(self, pid, *options):
        """Without CAP_SYS_RESOURCE, which lifts the limits of a copy."""
        prefix = ["setpriv", "--bounding-set=-sys_resource"] if is_root() else []
        return run(prefix + [LOAD, "-qf", self.path("x.pymem"), *options, str(pid)])

    def test_no_descriptor_left(self):
        code = ("import resource\n"
                "resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))\n"
                "ready()\n"
                "import os\n"
                "try:\n"
                "    while True: os.dup(0)\n"
                "except OSError: pass\n"
                "serve()\n")
        with Target(self.python, code) as t:
            wait_for(lambda: len(os.listdir("/proc/%d/fd" % t.pid)) == 12)
            self.expect(self.load("-q", "--method=agent", t.pid), 1, "Too many open files",
                        "prlimit --pid %d --nofile=" % t.pid, "--method=external")
            self.assertEqual(self.load("-q", "-f", "x.pymem", "--method=external",
                                       t.pid).returncode, 0)

    def test_full_folder_of_what_waits(self):
        """TMPDIR is named, which the user didn't."""
        if not is_root() or run(["unshare", "-m", "true"]).returncode:
            self.skipTest("no mount namespace of its own is allowed here")
        with Target(self.python, BIG, ["60000"]) as t:
            small = self.path("small")
            os.mkdir(small)
            script = ("mount -t tmpfs -o size=64k none %s && TMPDIR=%s %s %s %d | cat"
                      % (small, small, LOAD, "%s", t.pid))
            for options in ("-qf -", "--summary"):
                with self.subTest(options=options):
                    done = run(["unshare", "-m", "sh", "-c", script % options])
                    self.assertIn("No space left on device in %s, " % small,
                                  done.stderr.decode())
                    self.assertIn(b"TMPDIR", done.stderr)

    def test_disk_full(self):
        if not is_root():
            self.skipTest("needs root, to mount a small file system")
        if run(["unshare", "-m", "mount", "-t", "tmpfs", "none", self.tmp]).returncode:
            self.skipTest("no mount namespace of its own is allowed here")
        with Target(self.python, BIG, ["60000"]) as t:
            before = ProcState(t.pid)
            small = self.path("small")
            os.mkdir(small)
            script = ("mount -t tmpfs -o size=64k none %s && cd %s && %s -q -f x.pymem %d; "
                      "s=$?; ls -A; exit $s" % (small, small, LOAD, t.pid))
            done = run(["unshare", "-m", "sh", "-c", script])
            self.expect(done, 1, "No space left")
            self.assertEqual(done.stdout, b"", "something was left behind")
            self.assert_untouched(before)

    def test_other_user(self):
        if not is_root() or not shutil.which("setpriv"):
            self.skipTest("needs root and setpriv")
        os.chmod(self.tmp, 0o777)
        with Target(self.python, IDLE) as t:
            before = ProcState(t.pid)
            done = run(as_nobody([LOAD, "-f", "x.pymem", str(t.pid)]), cwd=self.tmp)
            self.expect(done, 1, "user|root|CAP_SYS_PTRACE")
            self.assertEqual(before.differences(ProcState(t.pid)), [])
        self.nothing_written()

    def test_owner_without_privileges(self):
        if not is_root() or not shutil.which("setpriv"):
            self.skipTest("needs root and setpriv")
        if not os.access("/usr/bin/python3", os.X_OK):
            self.skipTest("no interpreter that any user may run")
        os.chmod(self.tmp, 0o777)
        with Target("/usr/bin/python3", IDLE, prefix=as_nobody([])) as t:
            before = ProcState(t.pid)
            done = run(as_nobody([LOAD, "--json", "-f", "x.pymem", str(t.pid)]), cwd=self.tmp)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_untouched(before)
        self.assertEqual(os.stat(self.path("x.pymem")).st_uid, NOBODY)

    def test_traced(self):
        if not shutil.which("strace"):
            self.skipTest("no strace")
        with Target(self.python, IDLE) as t:
            tracer = subprocess.Popen(["strace", "-qqq", "-o", "/dev/null", "-p", str(t.pid)],
                                      stderr=subprocess.DEVNULL)
            try:
                wait_for(lambda: ProcState(t.pid).status[str(t.pid)]["TracerPid"] != "0")
                self.expect(self.load("-f", "x.pymem", t.pid), 1, "traced",
                            r"strace|%d" % tracer.pid)
            finally:
                tracer.terminate()
                tracer.wait()
            self.assertEqual(t.ask("1 + 1"), 2)
        self.nothing_written()

    def test_target_dies_during_the_walk(self):
        for how in ("SIGKILL", "exit", "exec"):
            with self.subTest(how=how), Target(self.python, BIG, ["1000000"]) as t:
                name = how + ".pymem"
                load = subprocess.Popen([LOAD, "-d", "--json", "-f", name, str(t.pid)],
                                        cwd=self.tmp, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
                log = b""
                for line in load.stderr:
                    log += line
                    if b"message 3 " in line:	# FORKED
                        break
                if how == "SIGKILL":
                    os.kill(t.pid, signal.SIGKILL)
                else:
                    t.w.write(json.dumps(["exec", "os._exit(0)" if how == "exit" else
                                          "os.execv('/bin/sleep', ['sleep', '60'])"]) + "\n")
                    t.w.flush()
                out, rest = load.communicate(timeout=30)
                (snap,) = json.loads(out)["snapshots"]
                self.assertIn(snap["status"], ("partial", "failed", "complete"),
                              (log + rest)[-1500:])
                if snap["status"] == "complete":
                    continue	# the walk was faster than the signal
                self.assertTrue(snap["error"])
                if snap["status"] == "partial":
                    self.assertEqual(load.returncode, 3)
                    done = run_view("--report", "types", self.path(name))
                    self.assertEqual(done.returncode, 3)
                    if snap["objects"] > 200000:
                        self.assertIn(b"Node", done.stdout)
                else:
                    self.assertEqual(load.returncode, 1)
                    self.assertFalse(os.path.exists(self.path(name)))

    def test_cancelled(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=sig), Target(self.python, BIG, ["1000000"]) as t:
                before = ProcState(t.pid)
                load = subprocess.Popen([LOAD, "-d", "-f", "c.pymem", str(t.pid)],
                                        cwd=self.tmp, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL)
                for line in load.stderr:
                    if b"message 3 " in line:	# FORKED
                        break
                load.send_signal(sig)
                rest = load.communicate(timeout=30)[1]
                if load.returncode == 0:
                    os.unlink(self.path("c.pymem"))	# it was done by then
                else:
                    self.assertEqual(load.returncode, 128 + sig)
                    self.assertIn(b"cancelled", rest)
                self.assert_untouched(before)
                self.assertEqual(t.ask("len(ALL)"), 1000000)
            self.nothing_written()

    def test_program_that_only_starts(self):
        """Stopped right after its exec, before the dynamic loader has done anything."""
        libc = ctypes.CDLL(None)
        target = subprocess.Popen([interpreters()[0].path, "-c", IDLE], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL,
                                  preexec_fn=lambda: libc.ptrace(0, 0, 0, 0))   # TRACEME
        try:
            os.waitpid(target.pid, os.WUNTRACED)
            libc.ptrace(17, target.pid, 0, signal.SIGSTOP)      # DETACH
            wait_for(lambda: state_of(target.pid) == "T")
            self.fails(target.pid, "if it is starting its program, try again")
        finally:
            target.kill()
            target.communicate()

    def test_parent_in_vfork(self):
        """It can't be stopped until the child's program starts, which opens a pipe first."""
        os.mkfifo(self.path("fifo"))
        code = ("import os, sys\n"
                "os.posix_spawn('/bin/true', ['true'], {}, file_actions="
                "[(os.POSIX_SPAWN_OPEN, 1, sys.argv[1], os.O_WRONLY, 0)])\n")
        newest = max(interpreters(), key=lambda p: p.version)
        target = subprocess.Popen([newest.path, "-c", code, self.path("fifo")])
        try:
            wait_for(lambda: state_of(target.pid) == "D")
            self.fails(target.pid, "thread %d waits in vfork until" % target.pid)
        finally:
            with open(self.path("fifo")):
                self.assertEqual(target.wait(120), 0)

    def test_python_2(self):
        """The number, not the words after it as far as there was room."""
        found = glob.glob(os.path.expanduser("~/.pyenv/versions/2.7*/bin/python2.7"))
        if not found:
            self.skipTest("needs Python 2.7")
        with subprocess.Popen([found[0], "-c", "input()"], stdin=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as target:
            wait_for(lambda: state_of(target.pid) == "S")
            self.fails(target.pid, r"Python 2\.7\.[0-9]+ is not supported")

    def fails(self, pid, words):
        done = run_load("-q", "-f", self.path("none.pymem"), pid)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.decode(), words)
        self.assertFalse(os.path.exists(self.path("none.pymem")))

    def test_ended_after_the_capture(self):
        """What is made of the snapshot is left out: a sentence says so, and the status."""
        viewer = self.path("viewer")
        with open(viewer, "w") as f:    # as slow as that of a big heap
            f.write("#!/bin/sh\necho $$ >>%s\nexec sleep 1000\n" % self.path("begun"))
        os.chmod(viewer, 0o755)
        cases = ((("-q", "-s3", "-f", "c.pymem"), "pictures", True),
                 (("-q", "--html", "c.html", "-f", "c.pymem"), "page c.html", True),
                 (("-f", "c.pymem"), "report", True),
                 (("-q", "--upload", "%s & %s $1" % (viewer, viewer), "-f", "c.pymem"),
                  "upload of c.pymem", True),
                 (("--summary", "-f", "c.summary"), "summary", False))
        env = dict(os.environ, PYMEM_VIEW=viewer)
        with Target(self.python, IDLE) as t:
            for options, words, kept in cases:
                for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    with self.subTest(options=options, signal=sig):
                        self.end_while_viewed(t.pid, options, sig, env, words, kept)

    def end_while_viewed(self, pid, options, sig, env, words, kept):
        begun, snapshot = self.path("begun"), self.path("c.pymem")
        for old in (begun, snapshot):
            if os.path.exists(old):
                os.unlink(old)
        load = subprocess.Popen([LOAD, *options, str(pid)], cwd=self.tmp, env=env,
                                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(begun) and _first_line(begun))
        load.send_signal(sig)
        said = load.communicate(timeout=60)[1].decode()
        self.assertEqual(load.returncode, 128 + sig, said)
        self.assertRegex(said, r"ended by %s\b" % signal.Signals(sig).name)
        self.assertEqual(said.count("\n"), 1 if "-q" in options else said.count("\n"), said)
        self.assertIn(words, said)
        if kept:
            self.assertIn("the snapshot is whole (c.pymem)", said)
        self.assertNotIn("could not", said)
        with open(begun) as f:
            for child in f.read().split():
                self.assertFalse(os.path.exists("/proc/" + child), said)
        self.assertEqual(sorted(os.listdir(self.tmp)),
                         sorted(["begun", "viewer"] + kept * ["c.pymem"]))

    def test_loader_is_killed(self):
        """Nothing of a capture goes on without its loader, and the next one clears up."""
        with Target(self.python, BIG, ["1000000"]) as t:
            before = ProcState(t.pid)
            load = subprocess.Popen([LOAD, "-d", "-f", "k.pymem", str(t.pid)], cwd=self.tmp,
                                    stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            for line in load.stderr:
                if b"message 3 " in line:	# FORKED
                    break
            load.kill()
            load.communicate()
            wait_for(lambda: ProcState(t.pid).tids == before.tids, what="the worker's end")
            wait_for(lambda: not ProcState(t.pid).children, what="the copy's end")
            self.nothing_written()
            done = self.load("--json", "-f", "n.pymem", t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(t.ask("len(ALL)"), 1000000)
            after = ProcState(t.pid)
            self.assertEqual([m for m in after.maps if "pymem" in m[2]], [])
            self.assertEqual((after.fds, after.tids), (before.fds, before.tids))

    def test_timeout_keeps_what_came(self):
        with Target(self.python, BIG, ["1000000"]) as t:
            before = ProcState(t.pid)
            done = self.load("--json", "--timeout", "60ms", "-f", "t.pymem", t.pid)
            self.assert_untouched(before)
        (snap,) = json.loads(done.stdout)["snapshots"]
        if snap["status"] != "complete":
            self.assertIn("--timeout", snap["error"])
            self.assertEqual(done.returncode, 3 if snap["status"] == "partial" else 1)

    def test_gil_is_not_given(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        # A C call that keeps the GIL until a byte comes.
        code = """
import ctypes
libc = ctypes.PyDLL(None)
fd = os.open(%r, os.O_RDWR)
room = ctypes.create_string_buffer(8)
ready()
libc.read(fd, room, 1)
serve()
""" % fifo
        for method, status in (("agent", "failed"), ("auto", "complete")):
            with self.subTest(method=method), Target(self.python, code) as t:
                t.await_call("read")
                done = self.load("--json", "--method", method, "--gil-timeout", "0.5", "-f",
                                 "g.pymem", t.pid)
                with open(fifo, "w") as f:
                    f.write("x")
                (snap,) = json.loads(done.stdout)["snapshots"]
                self.assertEqual(snap["status"], status, done.stderr)
                if status == "failed":
                    self.expect(done, 1, r"GIL.* held by thread %d \(" % t.pid)
                else:
                    self.assertEqual(snap["method"], "external")
                self.assertEqual(t.ask("1 + 1"), 2)
                wait_for(lambda: len(ProcState(t.pid).tids) == 1, what="the worker's end")

    def test_low_memory_is_refused(self):
        root = _memory_cgroup()
        if not root:
            self.skipTest("no memory cgroup can be made here")
        with Target(self.python, BIG, ["200000"]) as t:
            group = _MemoryGroup(root, t.pid)
            try:
                group.leave(16 << 20)
                before = ProcState(t.pid)
                done = self.load("-f", "x.pymem", t.pid)
                self.expect(done, 1, "--no-fork", "cgroup")
                self.assertEqual(before.differences(ProcState(t.pid)), [])
                self.assertEqual(t.ask("len(ALL)"), 200000)
            finally:
                t.close()
                group.close()
        self.nothing_written()


    def test_memory_runs_out_during_the_walk(self):
        """An application that writes all over its heap while the copy lives, in a cgroup
        with little room: the copy goes, the application stays."""
        root = _memory_cgroup()
        if not root:
            self.skipTest("no memory cgroup can be made here")
        code = BIG.replace("ready(", """
import threading
room = bytearray(96 << 20)
writing = False
def write():
    n = 0
    while True:
        if not writing:
            time.sleep(0.01)
            continue
        n = (n + 1) & 255
        for at in range(0, len(room), 4096):
            room[at] = n
import time
threading.Thread(target=write, daemon=True).start()
ready(""")
        group = _MemoryGroup(root, os.getpid() + 100000000, adopt=False)
        enter = ["sh", "-c", 'echo $$ >%s/cgroup.procs; exec "$@"' % group.dir, "sh"]
        try:
            with Target(self.python, code, ["600000"], prefix=enter) as t:
                group.leave(110 << 20)
                before = ProcState(t.pid)
                t.tell("writing = True")
                done = self.load("--json", "-f", "x.pymem", t.pid)
                (snap,) = json.loads(done.stdout)["snapshots"]
                if snap["status"] != "complete":	# the walk may win
                    self.assertRegex(snap["error"], "memory|killed")
                self.assertEqual(t.ask("len(ALL)"), 600000)
                self.assert_untouched(before)
        finally:
            group.close()


def _read(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read()


def _memory_cgroup():
    """A folder in which a memory cgroup can be made, and its flavour; or None."""
    if not is_root():
        return None
    if os.access("/sys/fs/cgroup/memory/memory.limit_in_bytes", os.R_OK):
        return "/sys/fs/cgroup/memory"
    try:
        with open("/sys/fs/cgroup/cgroup.subtree_control") as f:
            return "/sys/fs/cgroup" if "memory" in f.read().split() else None
    except OSError:
        return None


class _MemoryGroup:
    def __init__(self, root, pid, adopt=True):
        self.dir = os.path.join(root, "pymem-test-%d" % pid)
        os.mkdir(self.dir)
        if adopt:
            self.put("cgroup.procs", pid)
        # Pages stay charged to the old group: only the limit's arithmetic matters.
        self.v1 = os.path.exists(os.path.join(self.dir, "memory.limit_in_bytes"))

    def put(self, name, value):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(str(value))

    def leave(self, size):
        usage = "memory.usage_in_bytes" if self.v1 else "memory.current"
        with open(os.path.join(self.dir, usage)) as f:
            used = int(f.read())
        self.put("memory.limit_in_bytes" if self.v1 else "memory.max", used + size)

    def close(self):
        for _ in range(100):
            try:
                os.rmdir(self.dir)
                return
            except OSError:
                time.sleep(0.02)


if __name__ == "__main__":
    main()
