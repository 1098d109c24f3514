# ctest: labels=e2e;tui
# SPDX-License-Identifier: MIT
"""Snapshots that arrive while one looks: --listen and --live-fd."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BUILD, VIEW

MAKE = os.path.join(BUILD, "bin", "make_snapshot")
GEN = os.path.join(BUILD, "bin", "pymem-gen")


class Viewer:
    """A viewer that listens, driven line by line through a script on a pipe."""

    def __init__(self, case, *args):
        self.case = case
        self.path = os.path.join(case.dir, "socket")
        self.said = 0
        self.process = subprocess.Popen([VIEW, "--listen", self.path, "--script", "-", *args],
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                        encoding="utf-8")
        case.addCleanup(self.kill)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path):     # it is listened on by then
            case.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stderr.close()

    def say(self, *lines):
        """Lines of the script; returns when the viewer has done what they say."""
        self.said += 1
        done = "%s.said%d" % (self.path, self.said)
        for line in lines + (":save-display " + done,):
            self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while not os.path.exists(done) and self.process.poll() is None:
            time.sleep(0.01)

    def end(self, code=0):
        out = self.process.communicate(timeout=300)[1]
        self.case.assertEqual(self.process.returncode, code, out)
        self.case.assertFalse(os.path.exists(self.path))
        return out

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.path)
        self.case.addCleanup(s.close)
        return s


class Listen(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="pymem-listen-")
        os.chmod(directory.name, 0o777)  # what scripts save, run by root, nobody makes
        self.addCleanup(directory.cleanup)
        self.dir = directory.name

    def snapshot(self, kind):
        path = os.path.join(self.dir, kind)
        subprocess.run([MAKE, kind, path], check=True)
        with open(path, "rb") as f:
            return f.read()

    def generated(self, pid, objects):
        path = os.path.join(self.dir, "gen%d" % pid)
        subprocess.run([GEN, "-n", str(objects), "-p", str(pid), "-o", path], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(path, "rb") as f:
            return f.read()

    def test_four_at_once(self):
        """Nothing is mixed: each page has its own pid and number of objects."""
        viewer = Viewer(self)
        data = {pid: self.generated(pid, 20000 + 1000 * i)
                for i, pid in enumerate((101, 102, 103, 104))}
        def send(pid):
            s, rest = viewer.connect(), data[pid]
            while rest:
                s.sendall(rest[:4096 + pid])
                rest = rest[4096 + pid:]
            s.close()
        threads = [threading.Thread(target=send, args=(pid,)) for pid in data]
        for t in threads:
            t.start()
        viewer.say(":wait [1/5]", ":wait", "\\builtins.dict<Enter>",
                   *[":assert pid %d" % pid for pid in data], "<Esc>")
        for t in threads:
            t.join()
        objects = {}
        for pid in data:
            done = subprocess.run([VIEW, "--no-sidecar", "--report", "overview", "--format", "json",
                                   os.path.join(self.dir, "gen%d" % pid)], check=True,
                                  stdout=subprocess.PIPE)
            rows = json.loads(done.stdout)["processes"][0]["rows"]
            objects[pid] = "{:,}".format(rows[0]["objects"])
        shots = []
        for i in range(4):
            shots.append(os.path.join(self.dir, "shot%d" % i))
            viewer.say("l", ":assert What is big", ":save-display " + shots[-1])
        viewer.say("l", ":assert [1/5]")
        viewer.end()
        seen = {}
        for shot in shots:
            with open(shot, encoding="utf-8") as f:
                pid, count = re.search(r"pid (\d+): ([0-9,]+) objects", f.read()).groups()
                seen[int(pid)] = count
        self.assertEqual(seen, objects)

    def test_growth_over_time(self):
        viewer = Viewer(self)
        for kind in ("shop", "later", "shop", "later"):
            with viewer.connect() as s:
                s.sendall(self.snapshot(kind))
        viewer.say(":wait [1/5]", ":wait", "\\Session<Enter>", ":assert +30", ":assert +1.64 KiB",
                   ":assert \u2581\u2588\u2581\u2588", ":assert + shop.models.Session",
                   "<Esc>", ":assert 4 that never changed (Space", "<Space>",
                   ":assert builtins.bytearray", "2", ":assert sessions",
                   "1\\models.Sess<Enter><Enter>", ":assert shop.models.Session: 90 objects",
                   ":assert [5/5]", "h", "l", "<Backspace>", "9/growth<Enter><Enter>",
                   ":assert STORE['sessions']", ":assert +30")
        viewer.end()

    def test_killed_sender(self):
        viewer = Viewer(self)
        whole = self.generated(55, 50000)
        code = "import socket,sys,time;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);" \
               "s.sendall(open(sys.argv[2],'rb').read()[:%d]);print(flush=True);" \
               "time.sleep(60)" % (len(whole) * 2 // 3)
        sender = subprocess.Popen(["python3", "-c", code, viewer.path,
                                   os.path.join(self.dir, "gen55")], stdout=subprocess.PIPE)
        sender.stdout.readline()
        viewer.say(":wait [1/2]", "l", ":wait Arriving", ":assert objects of",
                   ":assert builtins.str")
        sender.kill()
        sender.wait()
        sender.stdout.close()
        viewer.say(":wait (truncated)", ":assert incomplete:")
        viewer.end(code=3)

    def test_stalled_sender(self):
        viewer = Viewer(self)
        stalled = viewer.connect()
        stalled.sendall(self.generated(66, 50000)[:2000])
        with viewer.connect() as s:
            s.sendall(self.snapshot("shop"))
        viewer.say(":wait [1/3]", "<Right><Right>", ":wait pid 4242", ":wait STORE",
                   "<Left>", ":assert Arriving", "q")
        viewer.end(code=0)

    def test_garbage_is_told(self):
        viewer = Viewer(self)
        with viewer.connect() as s:
            s.sendall(b"\x1b]0;owned\x07 not a snapshot at all")
            viewer.say(":wait dropped")
            with viewer.connect() as good:
                good.sendall(self.snapshot("other"))
            viewer.say(":wait [1/2]", "l", ":wait pid 77")
            viewer.end()

    def test_other_users_are_turned_away(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become somebody else")
        viewer = Viewer(self)
        os.chmod(viewer.path, 0o666)	# as if its owner had opened it
        code = "import os,socket,sys;os.setuid(65534);s=socket.socket(socket.AF_UNIX);" \
               "s.connect(sys.argv[1]);print(s.recv(1))"
        sender = subprocess.Popen(["/usr/bin/python3", "-c", code, viewer.path],
                                  stdout=subprocess.PIPE)
        viewer.say(":wait it runs as uid 65534")
        self.assertEqual(sender.communicate(timeout=20)[0].strip(), b"b''")
        viewer.end()

    def test_many_snapshots_are_trimmed(self):
        """Old ones go, the history stays."""
        viewer = Viewer(self)
        data = [self.snapshot("shop"), self.snapshot("later")]
        for i in range(24):
            with viewer.connect() as s:
                s.sendall(data[i % 2])
            viewer.say(":wait [1/%d]" % (min(i + 1, 16) + 1))
        viewer.say("\\models.Session<Enter>", ":wait " + "\u2581\u2588" * 12,
                   ":assert +1.64 KiB", "h", ":wait pid 4242", "h",
                   ":wait pid 4242")
        viewer.end()

    def test_text_without_a_terminal(self):
        path = os.path.join(self.dir, "socket")
        viewer = subprocess.Popen([VIEW, "--listen", path], stdout=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, encoding="utf-8")
        self.addCleanup(viewer.stdout.close)
        self.addCleanup(viewer.wait)
        self.addCleanup(viewer.kill)
        self.assertIn("listening", viewer.stdout.readline())
        for kind in ("shop", "later"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendall(self.snapshot(kind))
            self.assertRegex(viewer.stdout.readline(), "pid 4242: [0-9]+ objects, .*, complete")
        self.assertRegex(viewer.stdout.readline(), r"shop.audit.Record  \+9  \+36.00 KiB")
        viewer.send_signal(signal.SIGTERM)
        self.assertEqual(viewer.wait(20), 0)
        self.assertFalse(os.path.exists(path))

    def test_kept_without_a_terminal(self):
        """-o: what came, byte by byte, also what was cut; garbage isn't kept."""
        path, folder = os.path.join(self.dir, "socket"), os.path.join(self.dir, "kept")
        os.mkdir(folder)
        shop = self.snapshot("shop")
        viewer = subprocess.Popen([VIEW, "--listen", path, "-o", "."], cwd=folder,
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                  encoding="utf-8")
        self.addCleanup(viewer.stdout.close)
        self.addCleanup(viewer.wait)
        self.addCleanup(viewer.kill)
        self.assertIn("listening", viewer.stdout.readline())
        for data in (shop, shop[:len(shop) // 2], b"nothing of that kind"):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendall(data)
            line = viewer.stdout.readline()
            while data[:4] == shop[:4] and "written to" not in line:
                line = viewer.stdout.readline()
        kept = sorted((n for n in os.listdir(folder) if n.endswith(".pymem")),
                      key=lambda name: name.split("-")[-1])
        found = []
        for name in kept:
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
        self.assertEqual(found, [shop, shop[:len(shop) // 2]])
        viewer.send_signal(signal.SIGTERM)
        self.assertEqual(viewer.wait(20), 3)

    def live(self, data, script, *args, code=0, cut=None):
        """A viewer on an inherited pipe, fed in pieces."""
        read, write = os.pipe()
        script_path = os.path.join(self.dir, "script")
        with open(script_path, "w", encoding="utf-8") as f:
            f.write("\n".join(script) + "\n")
        viewer = subprocess.Popen([VIEW, "--live-fd", str(read), "--script", script_path, *args],
                                  pass_fds=[read], stderr=subprocess.PIPE, encoding="utf-8")
        os.close(read)
        try:
            for at in range(0, cut or len(data), 30000):
                os.write(write, data[at:min(at + 30000, cut or len(data))])
        except BrokenPipeError:
            pass
        os.close(write)
        err = viewer.communicate(timeout=300)[1]
        self.assertEqual(viewer.returncode, code, err)

    def test_live_stream(self):
        self.live(self.generated(88, 200000),
                  [":wait Arriving", ":wait builtins.dict", ":wait What is big",
                   ":assert pid 88", ":assert a.pymem"], "a.pymem")
        self.live(self.generated(88, 200000), [":wait Arriving", "q"], "a.pymem")

    def test_live_stream_cut(self):
        data = self.generated(89, 100000)
        self.live(data, [":wait (truncated)", ":assert incomplete"], code=3,
                  cut=len(data) // 2)

    def test_live_stream_compared(self):
        self.snapshot("shop")
        self.live(self.snapshot("later") + self.snapshot("other"),
                  [":wait", ":wait [3/3]", ":assert compared with pid 4242",
                   ":assert shop.models.Session", ":assert +30"],
                  "--compare", os.path.join(self.dir, "shop"), "new.pymem")

    def test_named_when_it_listens(self):
        """Who finds the socket can connect, however early; its folder has nothing else."""
        for length in 10, 107:
            path = os.path.join(self.dir, "s").ljust(length, "s")
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            os.unlink(path)
            for _ in range(20):
                viewer = subprocess.Popen([VIEW, "--listen", path, "--script", "-"],
                                          stdin=subprocess.PIPE, stderr=subprocess.PIPE)
                while True:
                    early = socket.socket(socket.AF_UNIX)
                    try:
                        early.connect(path)
                        break
                    except FileNotFoundError:
                        self.assertIsNone(viewer.poll())
                    finally:
                        early.close()
                self.assertEqual(os.listdir(self.dir), [os.path.basename(path)])
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
                viewer.communicate(b"q\n", timeout=300)
                self.assertEqual(viewer.returncode, 0)
            stale.close()
            self.assertEqual(os.listdir(self.dir), [])

    def test_left_socket(self):
        """One that nobody listens on any more is replaced."""
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(os.path.join(self.dir, "socket"))
        stale.listen(1)
        stale.close()
        viewer = subprocess.Popen([VIEW, "--listen", os.path.join(self.dir, "socket"), "--script",
                                   "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        while True:
            early = socket.socket(socket.AF_UNIX)
            try:
                early.connect(os.path.join(self.dir, "socket"))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self.assertIsNone(viewer.poll())
            finally:
                early.close()
        self.assertEqual(viewer.communicate(b"q\n", timeout=300)[1], b"")
        self.assertEqual(os.listdir(self.dir), [])

    def test_taken_socket(self):
        viewer = Viewer(self)
        done = subprocess.run([VIEW, "--listen", viewer.path, "--script", "/dev/null"],
                              stderr=subprocess.PIPE, encoding="utf-8", timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("something is there already", done.stderr)
        viewer.say("q")
        viewer.end()


if __name__ == "__main__":
    unittest.main()
