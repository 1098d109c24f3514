# ctest: labels=e2e;ptrace cost=54
# SPDX-License-Identifier: MIT
"""pymem-load as a command: what it writes, prints and returns when all goes well."""
import glob
import io
import json
import os
import re
import select
import signal
import stat
import subprocess
import time

from harness import *

HEAP = """
class Thing:
    def __init__(self, n):
        self.n = n
        self.text = "thing %d" % n
THINGS = [Thing(i) for i in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)]
ready(len(THINGS))
serve()
"""
KEYS = {"pid", "file", "status", "error", "method", "stopped_ns", "gil_wait_ns", "gil_held_ns",
        "fork_ns", "walk_ns", "objects", "edges", "bytes", "child_dirty_bytes"}


def pids_of(path):
    """The processes in a snapshot, in order, and whether each is whole."""
    done = run_view("--no-sidecar", "--report", "overview", "--format", "json", path)
    return [(p["pid"], p["complete"]) for p in json.loads(done.stdout)["processes"]]


class Load(Case):
    def setUp(self):
        super().setUp()
        self.python = interpreters()[-1]

    def load(self, *args, **kw):
        return run_load(*args, cwd=self.tmp, **kw)

    def test_json_report(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            done = self.load("--json", "-f", "a.pymem", t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_untouched(before)
            self.assertEqual(t.ask("sum(1 for x in THINGS if x.n >= 0)"), 2000)
        self.assertEqual(done.stdout.count(b"\n"), 1)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], 1)
        (snap,) = report["snapshots"]
        self.assertLessEqual(KEYS, set(snap))
        self.assertEqual(snap["pid"], t.pid)
        self.assertEqual(snap["file"], "a.pymem")
        self.assertEqual(snap["status"], "complete")
        self.assertIsNone(snap["error"])
        self.assertEqual(snap["method"], "agent")
        for key in KEYS - {"pid", "file", "status", "error", "method", "child_dirty_bytes"}:
            self.assertIsInstance(snap[key], int, key)
            self.assertGreater(snap[key], 0, key)
        self.assertGreater(snap["objects"], 4000)
        self.assertGreater(snap["edges"], snap["objects"])
        self.assertEqual(snap["bytes"], os.path.getsize(self.path("a.pymem")))
        self.assertLess(snap["stopped_ns"], 2e9)

    def test_default_name_and_modes(self):
        with Target(self.python, HEAP) as t:
            old = os.umask(0)
            try:
                done = self.load("-q", t.pid)
            finally:
                os.umask(old)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        folder = self.path("pymem_out")
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        (name,) = os.listdir(folder)
        self.assertTrue(re.fullmatch(r"pymem-snapshot-\d{14}\.pymem", name), name)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode), 0o600)

    def test_file_is_replaced_and_0600(self):
        with open(self.path("x.pymem"), "w") as f:
            f.write("old")
        os.chmod(self.path("x.pymem"), 0o644)
        with Target(self.python, HEAP) as t:
            self.assertEqual(self.load("-qf", "x.pymem", t.pid).returncode, 0)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("x.pymem")).st_mode), 0o600)
        self.assertEqual(pids_of(self.path("x.pymem")), [(t.pid, True)])
        self.assertEqual(os.listdir(self.tmp), ["x.pymem"])

    def test_standard_output(self):
        with Target(self.python, HEAP) as t:
            done = self.load("-f", "-", t.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"complete", done.stderr)
        with open(self.path("s.pymem"), "wb") as f:
            f.write(done.stdout)
        self.assertEqual(pids_of(self.path("s.pymem")), [(t.pid, True)])
        self.assertEqual(os.listdir(self.tmp), ["s.pymem"])

    def test_slow_reader_holds_nobody_up(self):
        with Target(self.python, HEAP, ["300000"]) as t:
            before = ProcState(t.pid)
            load = subprocess.Popen([LOAD, "-d", "-q", "-f", "-", str(t.pid)],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for line in load.stderr:
                if b"message 8 " in line:	# DONE: nothing of the target is needed any more
                    break
            else:
                self.fail("the capture waited for its reader")
            self.assert_untouched(before)
            data = load.stdout.read()
            load.communicate()
            self.assertEqual(load.returncode, 0)
        self.assertGreater(len(data), 200000)
        with open(self.path("s.pymem"), "wb") as f:
            f.write(data)
        self.assertEqual(pids_of(self.path("s.pymem")), [(t.pid, True)])

    def test_reader_that_goes_away(self):
        with Target(self.python, HEAP, ["300000"]) as t:
            before = ProcState(t.pid)
            load = subprocess.Popen([LOAD, "-q", "-f", "-", str(t.pid)],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            load.stdout.read(10)
            load.stdout.close()
            errors = load.stderr.read()
            load.stderr.close()
            self.assertEqual(load.wait(timeout=30), 1)
            self.assertIn(b"Broken pipe", errors)
            self.assert_untouched(before)

    def test_several_side_by_side(self):
        with Target(self.python, HEAP, ["30000"]) as a, Target(self.python, HEAP) as b, \
                Target(self.python, HEAP, ["10"]) as c:
            before = [ProcState(t.pid) for t in (a, b, c)]
            pids = [a.pid, b.pid, c.pid]
            done = self.load("--json", "-f", "m.pymem", *pids)
            self.assertEqual(done.returncode, 0, done.stderr)
            for state in before:
                self.assert_untouched(state)
        snaps = json.loads(done.stdout)["snapshots"]
        self.assertEqual([s["pid"] for s in snaps], pids)
        self.assertEqual({s["file"] for s in snaps}, {"m.pymem"})
        self.assertEqual(sum(s["bytes"] for s in snaps), os.path.getsize(self.path("m.pymem")))
        self.assertEqual(pids_of(self.path("m.pymem")), [(p, True) for p in pids])

    def test_one_of_several_fails(self):
        with Target(self.python, HEAP) as t:
            sleep = subprocess.Popen(["sleep", "100"])
            try:
                done = self.load("--json", "-f", "p.pymem", sleep.pid, t.pid)
            finally:
                sleep.kill()
                sleep.wait()
        self.assertEqual(done.returncode, 3)
        bad, good = json.loads(done.stdout)["snapshots"]
        self.assertEqual((bad["status"], bad["file"]), ("failed", None))
        self.assertTrue(bad["error"])
        self.assertIn(bad["error"].encode(), done.stderr)
        self.assertEqual(good["status"], "complete")
        self.assertEqual(pids_of(self.path("p.pymem")), [(t.pid, True)])

    def test_by_name_with_children(self):
        """A script's name is refused with a list while several have it; --children takes all."""
        name = "tree_%d" % os.getpid()
        script = self.path(name + ".py")
        with open(script, "w") as f:
            f.write("import os, signal\nfor n in range(2):\n    if os.fork() == 0:\n"
                    "        break\nelse:\n    print('up', flush=True)\nsignal.pause()\n")
        tree = subprocess.Popen([interpreters()[-1].path, script], stdout=subprocess.PIPE,
                                start_new_session=True)
        self.addCleanup(tree.stdout.close)
        self.addCleanup(tree.wait)
        self.addCleanup(os.killpg, tree.pid, signal.SIGKILL)
        self.assertEqual(tree.stdout.readline(), b"up\n")
        with open("/proc/%d/task/%d/children" % (tree.pid, tree.pid)) as f:
            family = [tree.pid] + [int(pid) for pid in f.read().split()]
        self.assertEqual(len(family), 3)
        out = self.path("tree.pymem")
        done = run_load("-q", "-f", out, name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("3 processes are called '%s'" % name, done.stderr.decode())
        for pid in family:
            self.assertIn(b"%d " % pid, done.stderr)
        self.assertFalse(os.path.exists(out))
        done = run_load("--children", "--json", "-f", out, name)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(done.stdout)["snapshots"]
        self.assertEqual(sorted(row["pid"] for row in rows), sorted(family))
        self.check_together(rows, out)
        done = run_load("--dry-run", "--children", tree.pid)
        self.assertIn(b"memory of 3 processes: ", done.stdout)
        done = run_load("-q", "nobody_is_called_so")
        self.assertIn(b"no CPython process is called", done.stderr)

    def check_together(self, rows, out):
        """What each has alone and what all have, by loader and viewer."""
        told = {row["pid"]: row for row in json.loads(run_view(
            out, "--no-sidecar", "--report", "overview", "--format", "json").stdout)["processes"]}
        for row in rows:
            self.assertEqual(row["private"] + row["shared"], row["rss"])
            self.assertTrue(0 < row["private"] < row["pss"] < row["rss"], row)
            seen = told[row["pid"]]["rows"][0]
            self.assertEqual([seen[k] for k in ("private", "shared", "pss")],
                             [row[k] for k in ("private", "shared", "pss")])
        text = run_view(out, "--no-sidecar").stdout.decode()
        self.assertTrue(text.startswith("memory of 3 processes: "), text[:200])
        page = self.path("tree.html")
        run_view(out, "--no-sidecar", "--export", "html", "-o", page)
        with open(page) as f:
            self.assertRegex(f.read(), "memory of 3 processes: .* in equal parts")

    def test_text_report(self):
        with Target(self.python, HEAP) as t:
            done = self.load("-f", "r.pymem", t.pid)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("%d (python" % t.pid, text)
        self.assertIn("complete (agent)", text)
        self.assertIn("written to r.pymem", text)
        self.assertIn("__main__.Thing", text)
        self.assertIn("predicted pause", done.stderr.decode())

    def test_dry_run_touches_nothing(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            done = self.load("--dry-run", t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            asjson = self.load("--dry-run", "--json", t.pid)
            self.assertEqual(before.differences(ProcState(t.pid)), [])
        self.assertIn("predicted pause", done.stdout.decode())
        (plan,) = json.loads(asjson.stdout)["plans"]
        self.assertEqual(plan["pid"], t.pid)
        self.assertEqual(plan["method"], "agent")
        self.assertIsNone(plan["refused"])
        self.assertEqual(os.listdir(self.tmp), [])

    def test_limits_refuse(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            for option, value in (("--max-pause", "0.001"), ("--max-memory", "10K")):
                done = self.load(option, value, "-f", "n.pymem", t.pid)
                self.assertEqual(done.returncode, 1)
                self.assertIn(option, done.stderr.decode())
            self.assertEqual(before.differences(ProcState(t.pid)), [])
        self.assertEqual(os.listdir(self.tmp), [])

    def test_debug_log(self):
        with Target(self.python, HEAP) as t:
            done = self.load("-d", "-q", "-f", "d.pymem", t.pid)
        self.assertEqual(done.returncode, 0)
        lines = re.findall(r"^\[ *\d+\.\d+ ms\] %d: " % t.pid, done.stderr.decode(), re.M)
        self.assertGreater(len(lines), 10)

    def test_no_values(self):
        with Target(self.python, "X = ['needle' + str(i) for i in range(3)]\nready()\nserve()\n"
                    ) as t:
            with_values = self.load("-q", "-f", "v.pymem", t.pid)
            without = self.load("-q", "--no-values", "-f", "w.pymem", t.pid)
        self.assertEqual((with_values.returncode, without.returncode), (0, 0))
        for name, found in (("v.pymem", True), ("w.pymem", False)):
            out = run_view("--export", "jsonl", "-o", self.path("o"), self.path(name))
            self.assertEqual(out.returncode, 0, out.stderr)
            with open(self.path("o"), "rb") as f:
                self.assertEqual(b"needle2" in f.read(), found, name)

    def test_methods(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            for args, method in ((["--no-fork"], "in-place"), (["--method=agent"], "agent"),
                                 (["--method=external"], "external")):
                done = self.load("--json", "-f", "m.pymem", *(args + [t.pid]))
                self.assertEqual(done.returncode, 0, done.stderr)
                (snap,) = json.loads(done.stdout)["snapshots"]
                self.assertEqual((snap["status"], snap["method"]), ("complete", method))
                self.assert_untouched(before)

    def test_stopped_process(self):
        with Target(self.python, HEAP) as t:
            os.kill(t.pid, signal.SIGSTOP)
            wait_for(lambda: ProcState(t.pid).stopped)
            before = ProcState(t.pid)
            done = self.load("--json", "-f", "t.pymem", t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            (snap,) = json.loads(done.stdout)["snapshots"]
            self.assertEqual(snap["method"], "external")
            self.assert_untouched(before)
            os.kill(t.pid, signal.SIGCONT)
            self.assertEqual(t.ask("len(THINGS)"), 2000)

    def test_every(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            done = self.load("-q", "--every", "300ms", "--count", "3", "-f", "e.pymem", t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_untouched(before)
        names = sorted(os.listdir(self.tmp))
        self.assertEqual(names, ["e-001.pymem", "e-002.pymem", "e-003.pymem"])
        for name in names:
            self.assertEqual(pids_of(self.path(name)), [(t.pid, True)])

    def test_every_prints_a_table(self):
        with Target(self.python, HEAP) as t:
            done = self.load("--every", "200ms", "--count", "3", "-f", "t.pymem", t.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[0].split()[:3], ["time", "objects", "more"])
        for n in range(3):
            self.assertEqual((lines[n + 1].split()[0], lines[n + 1].split()[-1]),
                             (str(n + 1), "t-%03d.pymem" % (n + 1)))
        self.assertIn("What grew, by path", lines[4])

    def test_every_is_stopped_by_a_signal(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            load = subprocess.Popen([LOAD, "-q", "--every", "60s", "-f", "e.pymem", str(t.pid)],
                                    cwd=self.tmp, stderr=subprocess.PIPE)
            wait_for(lambda: os.path.exists(self.path("e-001.pymem")))
            load.send_signal(signal.SIGINT)
            errors = load.communicate(timeout=20)[1]
            self.assertEqual(load.returncode, 0, errors)
            self.assert_untouched(before)

    def test_kept_agent_is_used_again(self):
        with Target(self.python, HEAP) as t:
            before = ProcState(t.pid)
            for i in range(3):
                done = self.load("--json", "--keep-agent", "-f", "k.pymem", t.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
            maps = _maps(t.pid)
            self.assertTrue([m for m in maps if "pymem" in m], "the agent is not there")
            self.assertEqual(before.tids, ProcState(t.pid).tids)
            self.assertEqual(before.fds, ProcState(t.pid).fds)
            done = self.load("--json", "-f", "k.pymem", t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_untouched(before)

    def test_pictures(self):
        with Target(self.python, HEAP) as t:
            done = self.load("-s1", "-ss", "Thing", "-ss", "NoSuchType", "-f", "g.pymem",
                             "--upload", "echo >>%s" % self.path("uploaded"), t.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        err = done.stderr.decode()
        for name in ("ref_%d_Thing.png" % t.pid, "backref_%d_Thing.png" % t.pid):
            with open(self.path(name), "rb") as f:
                self.assertEqual(f.read(8), b"\x89PNG\r\n\x1a\n")
            self.assertIn(name, err)
        self.assertIn("NoSuchType", err)
        pictures = glob.glob(self.path("*.png"))
        self.assertGreaterEqual(len(pictures), 3)
        with open(self.path("uploaded")) as f:
            said = f.read().split("\n")
        self.assertEqual(sorted(filter(None, said)),
                         sorted(["g.pymem"] +
                                ["./" + os.path.basename(p) for p in pictures]))

    def test_compare(self):
        with Target(self.python, HEAP) as t:
            self.assertEqual(self.load("-qf", "one.pymem", t.pid).returncode, 0)
            t.tell("MORE = [Thing(i) for i in range(500)]")
            done = self.load("-f", "two.pymem", "--snapshot", "one.pymem", t.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout.decode(), r"__main__\.Thing.*\+500|\+500.*__main__\.Thing")

    def test_all_interpreters(self):
        for python in interpreters():
            with self.subTest(python=python.name), Target(python, HEAP) as t:
                before = ProcState(t.pid)
                done = self.load("--json", "-f", "i.pymem", t.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                (snap,) = json.loads(done.stdout)["snapshots"]
                self.assertEqual(snap["status"], "complete")
                self.assertEqual(tuple(map(int, snap["python"].rstrip("+").split("."))),
                                 python.version)
                self.assert_untouched(before)


def _maps(pid):
    with open("/proc/%d/maps" % pid) as f:
        return f.read().splitlines()


class Launch(Case):
    def test_command_takes_its_snapshot_at_exit(self):
        for python in some_interpreters():
            with self.subTest(python=python.name):
                code = ARMED + "x = ['at exit'] * 3; print(os.getpid()); raise SystemExit(7)"
                done = run_load("-f", "%p.pymem", "--", python.path, "-c", code, cwd=self.tmp)
                self.assertEqual(done.returncode, 7, done.stderr)
                pid = int(done.stdout)
                self.assertEqual(pids_of(self.path("%d.pymem" % pid)), [(pid, True)])

    def test_every_so_often(self):
        done = run_load("--every", "300ms", "--no-values", "-f", "e-%t-%p.pymem", "--",
                        interpreters()[-1].path, "-c",
                        "import glob, time; x = 'needle-in-heap'\n"
                        "while len(glob.glob('e-*.pymem')) < 2: time.sleep(0.05)",
                        cwd=self.tmp)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        names = glob.glob(self.path("e-*.pymem"))
        self.assertGreaterEqual(len(names), 2)
        for name in names:
            self.assertEqual([c for _, c in pids_of(name)], [True])

    def test_other_programs_run_as_always(self):
        done = run_load("--", "sh", "-c", "echo $LD_PRELOAD; exit 5", cwd=self.tmp)
        self.assertEqual(done.returncode, 5)
        self.assertIn(b"libpymemagent.so", done.stdout)
        self.assertEqual(done.stderr, b"")

    def test_missing_command(self):
        done = run_load("--", "./no-such-program", cwd=self.tmp)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no-such-program", done.stderr)


class Terminal(Case):
    """On a terminal the viewer opens on the capture itself."""

    def on_terminal(self, argv, keys, until, timeout=300):
        """Runs argv on a pty; sends keys once `until` has been drawn. (status, output)"""
        import fcntl
        import pty
        import struct
        import termios
        pid, fd = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.tmp)
                os.environ.update(TERM="xterm", LANG="C.UTF-8", LC_ALL="C.UTF-8")
                os.execv(argv[0], argv)
            finally:
                os._exit(127)
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        out, sent, deadline = b"", False, time.monotonic() + timeout
        status = None
        while time.monotonic() < deadline:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                out += data
            if not sent and until.encode() in out:
                os.write(fd, keys)
                sent = True
        else:
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        os.close(fd)
        self.assertTrue(sent, "never saw %r in %r" % (until, out[-2000:]))
        return status, out

    def test_stream_handed_to_the_viewer(self):
        """What a viewer gets is the file, byte for byte, however slowly it reads."""
        viewer = self.path("viewer")
        with open(viewer, "w") as f:
            f.write("#!%s\n" % sys.executable + """
import os, sys, time
fd = int(sys.argv[sys.argv.index("--live-fd") + 1])
print("VIEWER-STARTS", sys.argv[-1], os.path.exists(sys.argv[-1]), flush=True)
time.sleep(1.5)
data = b""
while True:
    piece = os.read(fd, 65536)
    if not piece:
        break
    data += piece
with open("got", "wb") as f:
    f.write(data)
sys.stdin.readline()
""")
        os.chmod(viewer, 0o755)
        os.environ["PYMEM_VIEW"] = viewer
        self.addCleanup(os.environ.pop, "PYMEM_VIEW")
        with Target(interpreters()[-1], HEAP, ["300000"]) as t:
            before = ProcState(t.pid)
            status, out = self.on_terminal([LOAD, "-f", "live.pymem", str(t.pid)], b"\n",
                                           "VIEWER-STARTS live.pymem")
            self.assertEqual(status, 0, out[-2000:])
            self.assert_untouched(before)
        with open(self.path("got"), "rb") as a, open(self.path("live.pymem"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_viewer_opens_live(self):
        with Target(interpreters()[-1], HEAP, ["50000"]) as t:
            before = ProcState(t.pid)
            status, out = self.on_terminal([LOAD, "-f", "live.pymem", str(t.pid)], b"qqqq",
                                           "Thing")
            self.assertEqual(status, 0, out[-2000:])
            self.assert_untouched(before)
        self.assertEqual(pids_of(self.path("live.pymem")), [(t.pid, True)])
        self.assertIn(b"written to live.pymem", out)


if __name__ == "__main__":
    main()
