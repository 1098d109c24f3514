# ctest: labels=e2e;ptrace cost=34
# SPDX-License-Identifier: MIT
"""Who has which rights: the processes that read what a target or a snapshot says have no
more than the person in front of them, as root, under sudo and as an ordinary user.  The
sentences of README's Safety section that these tests prove: tests/README.md."""
import pwd
import stat

from harness import *

NOBODY = pwd.getpwnam("nobody")
SOMEBODY = next(p for p in pwd.getpwall() if p.pw_uid not in (0, NOBODY.pw_uid))
SYSTEM_PYTHON = "/usr/bin/python3"
HEAP = "heap = [{i: str(i)} for i in range(20000)]\nready()\nserve()\n"
TRACE = 1 << 19         # CAP_SYS_PTRACE


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def children(pid):
    """{name: pid} of all descendants."""
    found = {}
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            for child in map(int, f.read().split()):
                found[status(child)["Name"]] = child
                found.update(children(child))
    return found


def find(pid, name):
    """The descendant of that name, once it has taken its filter on."""
    def there():
        try:
            child = children(pid).get(name)
            return child and status(child)["Seccomp"] == "2" and child
        except (OSError, KeyError):
            return None
    wait_for(there, timeout=600, what=name)
    return there()


def sudo(user, **also):
    return dict(os.environ, SUDO_UID=str(user.pw_uid), SUDO_GID=str(user.pw_gid),
                SUDO_USER=user.pw_name, **also)


# Runs a command, ends it by a signal (0: lets it end by itself) when it has a child, and says
# what was left to who is the first process of a container.
FIRST = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)     # PR_SET_CHILD_SUBREAPER
for end in signal.SIGHUP, signal.SIGINT, signal.SIGTERM:
    signal.signal(end, signal.SIG_DFL)      # a shell's background ignores some
number, pid = int(sys.argv[1]), os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
while number:
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        if f.read():
            os.kill(pid, number)
            break
    time.sleep(0.01)
status = os.waitpid(pid, 0)[1]
try:
    left = os.waitpid(-1, 0)
except ChildProcessError:
    left = None
sys.stderr.write("%d %s" % (os.WTERMSIG(status) if number else status, left))
"""


class Rights(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix="pymem-rights-")
        self.addCleanup(shutil.rmtree, self.tmp)

    def path(self, *names):
        return os.path.join(self.tmp, *names)

    def assert_dropped(self, pid, uid, bounded=True):
        s = status(pid)
        self.assertEqual(s["Uid"].split(), [str(uid)] * 4)
        for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(s[field], 16), 0, field)
        self.assertEqual((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"))
        if os.geteuid() == 0:
            self.assertEqual(s["Groups"].split(), [])
            if bounded:     # only root may narrow it; no_new_privs makes it void
                self.assertEqual(int(s["CapBnd"], 16) & TRACE, 0)

    def capture_slowly(self, pid, prefix=(), uid=None, **popen):
        """A capture whose reader hasn't read yet: its keeper can be looked at."""
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        if uid:
            os.chmod(self.tmp, 0o755)
            os.chown(fifo, uid, uid)
        load = subprocess.Popen([*prefix, LOAD, "-q", "-f", fifo, str(pid)], **popen)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        return load, reader

    def finish(self, load, reader):
        os.set_blocking(reader, True)
        with os.fdopen(reader, "rb") as f, open(self.path("got.pymem"), "wb") as out:
            shutil.copyfileobj(f, out)
        self.assertEqual(load.wait(timeout=600), 0)
        self.report(self.path("got.pymem"))

    def check_keeper(self, load, uid, bounded=True):
        keeper = find(load.pid, "pymem-keeper")
        self.assert_dropped(keeper, uid, bounded)
        links = [os.readlink("/proc/%d/fd/%s" % (keeper, n))
                 for n in os.listdir("/proc/%d/fd" % keeper)]
        # its end of the channel, and the file it writes
        self.assertEqual(len(links), 2, links)
        self.assertEqual(sum(link.startswith("socket:") for link in links), 1, links)

    def test_keeper_of_root(self):
        """Root's pymem-load has somebody without rights look at the stream."""
        if os.geteuid():
            self.skipTest("needs root")
        for env, uid in ((None, NOBODY.pw_uid), (sudo(SOMEBODY), SOMEBODY.pw_uid)):
            with Target(SYSTEM_PYTHON, HEAP) as t:
                load, reader = self.capture_slowly(t.pid, env=env)
                self.check_keeper(load, uid)
                self.finish(load, reader)
            os.unlink(self.path("fifo"))

    def test_keeper_of_a_user(self):
        """An ordinary user's has less than that user."""
        user = ["setpriv", "--reuid=%d" % NOBODY.pw_uid, "--regid=%d" % NOBODY.pw_gid,
                "--clear-groups"] if os.geteuid() == 0 else []
        uid = NOBODY.pw_uid if user else os.geteuid()
        with Target(SYSTEM_PYTHON, HEAP, prefix=user) as t:
            probe = subprocess.run([*user, LOAD, "--dry-run", str(t.pid)],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if probe.returncode:
                self.skipTest("no user may trace here: " + probe.stdout.decode()[-200:])
            load, reader = self.capture_slowly(t.pid, user, uid if user else None)
            self.check_keeper(load, uid, bounded=False)
            self.finish(load, reader)

    def test_files_under_sudo(self):
        """What is made under sudo belongs to who called it; a liar's is root's."""
        if os.geteuid():
            self.skipTest("needs root")
        lies = [dict(sudo(SOMEBODY), SUDO_GID="0"), dict(sudo(SOMEBODY), SUDO_USER="root"),
                dict(sudo(SOMEBODY), SUDO_UID="99999999"),
                dict(sudo(SOMEBODY), SUDO_UID="%d x" % SOMEBODY.pw_uid)]
        with Target(SYSTEM_PYTHON, HEAP) as t:
            for env, owner in [(sudo(SOMEBODY), SOMEBODY.pw_uid), *((e, 0) for e in lies)]:
                folder = tempfile.mkdtemp(dir=self.tmp)
                subprocess.run([LOAD, "-q", str(t.pid)], cwd=folder, env=env, check=True)
                made = os.path.join(folder, "pymem_out")
                names = [made, *(os.path.join(made, n) for n in os.listdir(made))]
                self.assertEqual(len(names), 2)
                for name in names:
                    st = os.lstat(name)
                    self.assertEqual(st.st_uid, owner, (name, env["SUDO_UID"]))
                    self.assertEqual(stat.S_IMODE(st.st_mode) & 0o77, 0)

    def snapshot(self, folder, mode=0o700):
        os.mkdir(self.path(folder), mode)
        path = self.path(folder, "s.pymem")
        with Target(SYSTEM_PYTHON, HEAP) as t:
            subprocess.run([LOAD, "-q", "-f", path, str(t.pid)], check=True)
        return path

    def viewer(self, *args, env=None, **popen):
        popen.setdefault("cwd", self.tmp)
        return subprocess.Popen([VIEW, *args], env=env, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)

    def follow(self, path, words, env=None):
        """Has a viewer do `words`; looks at it and its clerk before."""
        view = self.viewer("--script", "-", path, env=env)
        wait_for(lambda: status(view.pid)["Seccomp"] == "2" and
                 (os.geteuid() or "pymem-clerk" in children(view.pid)), timeout=600,
                 what="its filter and its clerk")
        kin = children(view.pid)
        if os.geteuid() == 0:
            user = SOMEBODY if env else NOBODY
            self.assert_dropped(view.pid, user.pw_uid)
            self.assertEqual(list(kin), ["pymem-clerk"])
            self.assertEqual(status(kin["pymem-clerk"])["Uid"].split()[1], "0")
        else:
            self.assertEqual((kin, status(view.pid)["NoNewPrivs"]), ({}, "1"))
        out, err = view.communicate(("\n".join(words) + "\n").encode(), timeout=240)
        return view.returncode, (out + err).decode()

    def test_viewer(self):
        """Who parses has no rights; it reads and makes what was asked for all the same."""
        path = self.snapshot("private")
        code, said = self.follow(path, ["2", ":save-display shown.txt"])
        self.assertEqual(code, 0, said)
        with open(self.path("shown.txt")) as f:
            self.assertIn("Type", f.read())
        self.assertEqual(os.stat(self.path("shown.txt")).st_uid, os.geteuid())

    def test_viewer_makes_only_what_it_was_told(self):
        if os.geteuid():
            self.skipTest("needs root")
        path = self.snapshot("private")
        with open(self.path("there"), "w") as f:
            f.write("as it was")
        os.mkdir(self.path("other"), 0o700)
        for name in (self.path("other", "new"), "other/new", "there", ".hidden",
                     "../new"):
            code, said = self.follow(path, ["2", ":save-display " + name])
            self.assertEqual(code, 1, (name, said))
        with open(self.path("there")) as f:
            self.assertEqual(f.read(), "as it was")
        self.assertEqual(os.listdir(self.path("other")), [])
        self.assertFalse([n for n in os.listdir(self.tmp) if n.startswith(".")])

    def test_viewer_under_sudo(self):
        if os.geteuid():
            self.skipTest("needs root")
        path = self.snapshot("private")
        os.chown(self.path("private"), SOMEBODY.pw_uid, SOMEBODY.pw_gid)
        os.chown(path, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
        os.chmod(self.tmp, 0o777)
        code, said = self.follow(path, ["2", ":save-display shown.txt"],
                                 env=sudo(SOMEBODY))
        self.assertEqual(code, 0, said)
        for args in (["--sidecar", "--report", "suspects"],
                     ["--graph", "dominators", "-o", "g.svg"],
                     ["--export", "jsonl", "-o", "e.jsonl"]):
            view = self.viewer(*args, path, env=sudo(SOMEBODY))
            out, err = view.communicate(timeout=240)
            self.assertEqual(view.returncode, 0, (out + err).decode())
        for name in ("shown.txt", "g.svg", "e.jsonl", "private/s.pymem.pmx"):
            self.assertEqual(os.stat(self.path(name)).st_uid, SOMEBODY.pw_uid, name)

    def test_clerk_is_not_left(self):
        """... to the first process of a container, which is who is looked at."""
        if os.geteuid():
            self.skipTest("needs root")
        path = self.snapshot("private")
        done = run([sys.executable, "-c", FIRST, "0", VIEW, path, "--report", "types"])
        self.assertEqual(done.stderr.decode(), "0 None")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            out, into = os.pipe()   # nobody reads, so it doesn't end
            with open(out, "rb"), open(into, "wb") as full:
                done = subprocess.run([sys.executable, "-c", FIRST, str(int(number)), VIEW,
                                       path, "--export", "jsonl", "-o", "-"], timeout=240,
                                      stdout=full, stderr=subprocess.PIPE)
            said = done.stderr.decode()
            self.assertTrue(said.endswith("%d None" % number), said)
            self.assertIn("no unfinished file is left", said)

    def test_closed_standard_descriptors(self):
        """What the viewer opens for itself doesn't take their places."""
        path = self.snapshot("private")
        made = self.path("made")
        cases = ((">&-", ["--report", "types"], 1), ("<&-", ["--report", "types"], 0),
                 ("<&- >&- 2>&-", ["--export", "jsonl", "-o", made], 0),
                 ("<&- >&-", ["--graph", "treemap", "-o", made + ".svg"], 0))
        for closed, args, code in cases:
            with self.subTest(closed=closed, args=args):
                done = run(["sh", "-c", 'exec "$@" ' + closed, "sh", VIEW, path] + args)
                self.assertEqual(done.returncode, code, done.stderr)
                if code:
                    self.assertIn(b"Bad file descriptor", done.stderr)
                elif args[-1].startswith(made):
                    self.assertGreater(os.path.getsize(args[-1]), 1000)

    def test_links_are_not_replaced(self):
        """/dev/stdout is one; and a stranger may have put one there."""
        path, made = self.snapshot("private"), self.path("made")
        with open(made, "w") as f:
            f.write("as it was")
        os.symlink("made", self.path("link"))
        link = self.path("link")
        done = run_view(path, "--export", "collapsed", "-o", link)
        self.assertEqual(done.returncode, 1)
        with Target(SYSTEM_PYTHON, HEAP) as t:
            done = run([LOAD, "-q", "-f", link, str(t.pid)])
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"is a symbolic link", done.stderr)
        self.assertTrue(os.path.islink(link))
        with open(made) as f:
            self.assertEqual(f.read(), "as it was")

    def report(self, path):
        view = self.viewer("--sidecar", "--report", "suspects", path)
        out, err = view.communicate(timeout=240)
        self.assertEqual(view.returncode, 0, (out + err).decode())

    def test_sidecars_of_strangers(self):
        """Root makes a sidecar beside a snapshot of its own only, through no link."""
        if os.geteuid():
            self.skipTest("needs root")
        path = self.snapshot("private")
        self.report(path)
        self.assertTrue(os.path.exists(path + ".pmx"))
        os.unlink(path + ".pmx")
        # a stranger's link leads to root's folder, where no such snapshot is root's
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        self.report(path)
        self.assertEqual(os.listdir(self.path("private")), ["s.pymem"])
        # neither is a sidecar believed that is a stranger's
        with open(path + ".pmx", "wb") as f:
            f.write(b"\x89PYMEMX\n" + b"\xff" * 4096)
        os.chown(path + ".pmx", NOBODY.pw_uid, NOBODY.pw_gid)
        self.report(path)



if __name__ == "__main__":
    main()
