#!/usr/bin/env python3
# ctest: labels=e2e timeout=1500 cost=40
# SPDX-License-Identifier: MIT
"""PYMEM_OUTPUT=FILE.summary without pymem-load: the preloaded agent has pymem-view make it of
the snapshot, beside the program, which notices nothing."""
import platform
import re
import shlex

from preloadcase import *

MAKE = os.path.join(BUILD, "bin", "make_snapshot")
WATCHING = BASE + """
came = []
signal.signal(signal.SIGCHLD, lambda *a: came.append(a))
def children():
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
def state():
    return [children(), len(came), sorted(os.listdir("/proc/self/fd")), os.getcwd(),
            os.getpriority(os.PRIO_PROCESS, 0),
            signal.pthread_sigmask(signal.SIG_BLOCK, []) == set(),
            open("/proc/self/oom_score_adj").read(), os.getsid(0), oct(os.umask(0o22))]
before = state()
"""
USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


class OwnSummary(PreloadCase):
    def summary(self, path, objects=40000):
        with open(path) as f:
            summary = json.loads(f.read())
        self.assertTrue(summary["complete"])
        self.assertGreater(summary["objects"], objects)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        return summary

    def script(self, text):
        """A pymem-view of that text."""
        path = self.path("view-%d" % len(os.listdir(self.tmp)))
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o755)
        return path

    def at_exit(self, name, code=0, **variables):
        """A program that ends; what it said on stderr."""
        python = some_interpreters(1)[0]
        done = self.run_python(python, BASE + "print(42); sys.exit(%d)" % code,
                               self.env(name, PYMEM_AT_EXIT=1, **variables))
        self.assertEqual((done.returncode, done.stdout), (code, b"42\n"), done.stderr)
        return done.stderr.decode()

    def test_every_interpreter(self):
        for python in interpreters():
            with self.subTest(python=python.name):
                done = self.run_python(python, BASE + "os.umask(0); print(42); sys.exit(7)",
                                       self.env("%p.summary", PYMEM_AT_EXIT=1))
                self.assertEqual((done.returncode, done.stdout, done.stderr), (7, b"42\n", b""))
                (name,) = os.listdir(self.tmp)      # neither snapshot nor sidecar
                found = self.summary(self.path(name))
                self.assertEqual("%d.summary" % found["pid"], name)
                os.unlink(self.path(name))

    def test_of_a_user(self):
        """Root's pymem-view gives up its rights, and has the snapshot removed all the same; a
        user's removes it itself."""
        folder = self.path("theirs")
        os.mkdir(folder)
        os.chown(folder, 65534, 65534)
        os.chmod(self.tmp, 0o755)
        env = preload(PYMEM_OUTPUT=folder, PYMEM_AT_EXIT=1)
        env["PYMEM_OUTPUT"] = folder + "/x.summary"
        done = run(USER + [debian().path, "-c", BASE], env=env)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(os.listdir(folder), ["x.summary"])
        self.summary(folder + "/x.summary")
        self.assertEqual(os.stat(folder + "/x.summary").st_uid, 65534)

    def test_program_notices_nothing(self):
        for python in some_interpreters():
            with self.subTest(python=python.name), \
                    Target(python, WATCHING + "ready()\nserve()\n",
                           env=self.env("s-%p-%t.summary", PYMEM_SIGNAL=1)) as t:
                self.assertTrue(until(lambda: t.ask("state()") == t.ask("before"), 60))
                for n in range(1, 4):
                    t.proc.send_signal(signal.SIGRTMIN + 5)
                    self.assertTrue(until(lambda: t.ask("children()") is None and
                                          len(self.files("s-%d-*.summary" % t.pid)) == n, 120))
                self.assertTrue(until(lambda: not self.files("s-%d-*.pymem*" % t.pid), 60))
                until(lambda: t.ask("state()") == t.ask("before"), 60)
                self.assertEqual(t.ask("state()"), t.ask("before"))
                for path in self.files("s-%d-*.summary" % t.pid):
                    self.summary(path)

    def test_what_it_gets(self):
        """A session of its own, last in everything but in being killed, no environment."""
        said = self.at_exit("x.summary", SECRET="1", PYMEM_VIEW=self.script(
            "exec >&2; ls -l /proc/self/fd; env; echo adj=$(cat /proc/self/oom_score_adj) "
            "sid=$(test $(ps -o sid= -p $$) = $$ && echo own) ni=$(ps -o ni= -p $$)"))
        self.assertRegex(said, r"adj=1000 sid=own ni= *19")
        self.assertNotRegex(said, "SECRET|LD_PRELOAD|PYMEM")
        # beside those of ls and of its folder
        numbers = re.findall(r" (\d+) -> (?!/proc/)", said)
        self.assertEqual(sorted(numbers), ["0", "1", "2"], said)
        self.assert_whole(self.path("x.pymem"))

    def test_under_a_filter(self):
        """One that kills who makes a call kills no process of ours that the program shares
        memory with, and not the program."""
        numbers = {"setsid": (112, 157), "execve": (59, 221), "umask": (95, 166),
                   "none": (999, 999)}
        kill, error = 0x80000000, 0x50001
        code = BASE + """
import ctypes, struct
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
code = b"".join(struct.pack("=HBBI", *x) for x in [
    (0x20, 0, 0, 0), (0x15, 0, 1, %d), (6, 0, 0, %d), (6, 0, 0, 0x7fff0000)])
held = ctypes.create_string_buffer(code)
libc = ctypes.CDLL(None)
assert not libc.prctl(38, 1, 0, 0, 0)
assert not libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(held))), 0, 0)
print(42)
"""
        python = some_interpreters(1)[0]
        arm = platform.machine() == "aarch64"
        for name, what, made in (("none", kill, True), ("setsid", error, True),
                                 ("setsid", kill, False), ("execve", kill, False),
                                 ("umask", kill, False), ("execve", error, False)):
            with self.subTest(name=name, what=hex(what)):
                done = self.run_python(python, code % (numbers[name][arm], what),
                                       self.env("f.summary", PYMEM_AT_EXIT=1))
                self.assertEqual((done.returncode, done.stdout), (0, b"42\n"), done.stderr)
                self.assertEqual(os.listdir(self.tmp), ["f.summary" if made else "f.pymem"])
                self.assertEqual(done.stderr.decode(), "" if made else "pymem: no summary, its "
                                 "snapshot stays: %s\n" % self.path("f.pymem"))
                os.unlink(self.path(os.listdir(self.tmp)[0]))

    def test_none_is_there(self):
        said = self.at_exit("x.summary", PYMEM_VIEW=self.path("nowhere"))
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("a summary is made by pymem-view, which isn't beside the agent", said)
        self.assertEqual(os.listdir(self.tmp), ["x.pymem"])
        self.assert_whole(self.path("x.pymem"))

    def test_it_fails(self):
        stays = "pymem: no summary, its snapshot stays: %s\n" % self.path("y.pymem")
        for text, words in (("kill -9 $$", stays), ("echo alas >&2; exit 1", "alas\n" + stays)):
            with self.subTest(text=text):
                said = self.at_exit("y.summary", code=3, PYMEM_VIEW=self.script(text))
                self.assertEqual(said, words)
                self.assert_whole(self.path("y.pymem"))
                self.assertFalse(self.files("y.summary"))
        with open(self.path("empty"), "w"):
            pass
        os.chmod(self.path("empty"), 0o755)     # the kernel runs no such thing
        said = self.at_exit("z.summary", PYMEM_VIEW=self.path("empty"))
        self.assertRegex(said, r"^pymem: no summary, its snapshot stays: .*/empty: .*\n$")
        self.assert_whole(self.path("z.pymem"))

    def test_only_a_file_is_replaced(self):
        for name in "link.summary", "link.pymem":
            with self.subTest(name=name):
                os.symlink(self.path("elsewhere"), self.path(name))
                said = self.at_exit("link.summary")
                self.assertIn("a symbolic link", said)
                self.assertEqual(os.listdir(self.tmp), [name])
                os.unlink(self.path(name))

    def test_memory_error_goes_on(self):
        """The program doesn't wait for it; and another one is not begun meanwhile."""
        gate = self.path("gate")
        os.mkfifo(gate)
        view = self.script('read go <%s; exec %s "$@"' % tuple(map(shlex.quote, (gate, VIEW))))
        code = BASE + """
import resource, atexit
def fail():
    now = int(open("/proc/self/statm").read().split()[0]) * 4096
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + (64 << 20), old[1]))
    hog = []
    try:
        while True:
            hog.append(bytearray(1 << 20))
    except MemoryError:
        del hog
        resource.setrlimit(resource.RLIMIT_AS, old)
        return True
ready()
serve()
"""
        python = some_interpreters(1)[0]
        said = self.path("said")
        env = self.env("m.summary", PYMEM_MEMORY_ERROR=1, PYMEM_SIGNAL=1, PYMEM_VIEW=view)
        with Target(python, "import os\nos.dup2(os.open(%r, os.O_CREAT | os.O_WRONLY), 2)\n" % said
                    + code, env=env) as t:
            self.assertTrue(t.ask("fail()"))        # it waits in the gate
            self.assert_whole(self.path("m.pymem"))
            t.proc.send_signal(signal.SIGRTMIN + 5)
            self.assertTrue(until(lambda: os.path.getsize(said), 60))
            with open(said) as f:
                self.assertEqual(f.read(), "pymem: no snapshot: the summary of the one before "
                                 "is still being made\n")
            with open(gate, "w") as f:
                f.write("go\n")
            self.assertTrue(until(lambda: self.files("m.summary") and
                                  not self.files("m.pymem"), 60))
            self.summary(self.path("m.summary"))
            os.unlink(self.path("m.summary"))

            def again():    # once its end was noticed
                t.proc.send_signal(signal.SIGRTMIN + 5)
                return until(lambda: self.files("m.pymem"), 1)
            self.assertTrue(until(again, 60))
            with open(gate, "w") as f:
                f.write("go\n")
            self.wait_files(pattern="m.summary")

    def test_those_that_are_kept(self):
        """Of snapshots that stay, too."""
        python = some_interpreters(1)[0]
        for view in VIEW, self.script("exit 1"):
            with self.subTest(view=view), Target(
                    python, BASE + "ready()\nserve()\n",
                    env=self.env("k-%p-%t.summary", PYMEM_INTERVAL="200ms", PYMEM_KEEP=2,
                                 PYMEM_VIEW=view)) as t:
                end = "summary" if view == VIEW else "pymem"
                seen = set()
                self.assertTrue(until(lambda: seen.update(
                    self.files("k-%d-*.%s" % (t.pid, end))) or len(seen) >= 5, 120))
                for end in "summary", "pymem":
                    self.assertLessEqual(len(self.files("k-%d-*.%s" % (t.pid, end))), 3)

    def test_no_room(self):
        """It would need more than the group may have: the snapshot stays."""
        group = MemoryGroup(80 << 20)
        try:
            if not group.usable:
                self.skipTest("no control group can be made here")
            done = self.run_python(some_interpreters(1)[0], BASE,
                                   self.env("r.summary", PYMEM_AT_EXIT=1),
                                   preexec_fn=group.enter)
            self.assertEqual(done.stderr.decode(), "pymem: no summary, its snapshot stays: %s: no "
                             "memory is left for it\n" % self.path("r.pymem"))
            self.assertEqual(self.files("r.*"), [self.path("r.pymem")])
        finally:
            group.remove()


class Consume(Case):
    """pymem-view --consume."""

    def view(self, *args, code):
        done = run_view("--export", "summary", "--consume", *args)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr.decode()

    def test_consume(self):
        name, out = self.path("a.pymem"), self.path("a.summary")
        subprocess.run([MAKE, "other", name], check=True)
        self.view("-o", self.path("no/such/folder"), name, code=1)
        self.view("-o", "-", name, code=2)
        self.view("-o", out, "-", code=2)
        self.view("-o", out, name, name, code=2)
        subprocess.run([MAKE, "cut", self.path("cut.pymem")], check=True)
        self.view("-o", out, self.path("cut.pymem"), code=3)
        os.symlink(name, self.path("link.pymem"))
        self.assertIn("it stays", self.view("-o", out, self.path("link.pymem"), code=1))
        self.assertEqual(len(os.listdir(self.tmp)), 4)
        os.unlink(out)
        self.assertEqual(self.view("-o", out, name, code=0), "")
        self.assertEqual(sorted(os.listdir(self.tmp)), ["a.summary", "cut.pymem", "link.pymem"])


if __name__ == "__main__":
    main()
