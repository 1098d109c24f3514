# ctest: labels=e2e;tui cost=19
# SPDX-License-Identifier: MIT
"""The viewer on a real terminal: tmux, polled until the screen shows what it should."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BUILD, CALLS, VIEW, call_of, wait_for

MAKE = os.path.join(BUILD, "bin", "make_snapshot")


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, directory, command, width=100, height=30, env=""):
        self.socket = os.path.join(directory, "tmux%d" % time.monotonic_ns())
        shell = "env -u NO_COLOR LANG=C.UTF-8 %s %s; echo \"exit=$?\"; stty -a; exec cat" % (
            env, command)
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                 shell)

    def run(self, *args):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *args], check=True,
                              stdout=subprocess.PIPE, encoding="utf-8", timeout=20).stdout

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def resize(self, width, height):
        self.run("resize-window", "-x", str(width), "-y", str(height))

    def screen(self, *args):
        return self.run("capture-pane", "-p", *args)

    def until(self, *wanted, absent=()):
        """Waits for all of the texts; fails with the screen after two minutes."""
        end = time.monotonic() + 120
        while True:
            shown = self.screen()
            if all(w in shown for w in wanted) and not any(a in shown for a in absent):
                return shown
            if time.monotonic() > end:
                raise AssertionError("waited for %r in\n%s" % (wanted, shown))
            time.sleep(0.05)

    def pane_pid(self):
        return int(self.run("display-message", "-p", "#{pane_pid}"))

    def viewer_pid(self):
        """The viewer's pid: it descends from the shell of the window."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [self.pane_pid()]
            for pid in found:
                try:
                    with open("/proc/%d/comm" % pid) as comm:
                        if comm.read().startswith("pymem-view"):
                            return pid
                    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                        found += map(int, f.read().split())
                except OSError:
                    pass			# it has ended
            time.sleep(0.02)
        raise AssertionError("no viewer")

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], stderr=subprocess.DEVNULL)


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Tmux(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="pymem-tmux-")
        self.addCleanup(directory.cleanup)
        self.dir = directory.name

    def make(self, kind):
        path = os.path.join(self.dir, kind + ".pymem")
        subprocess.run([MAKE, kind, path], check=True)
        return path

    def start(self, *args, **more):
        command = " ".join([VIEW, "--no-sidecar", *args])
        terminal = Terminal(self.dir, command, **more)
        self.addCleanup(terminal.close)
        return terminal

    def assert_restored(self, terminal):
        shown = terminal.until("exit=", "icanon", absent=["-icanon"])
        self.assertNotIn("Overview", shown)		# the alternate screen is left
        self.assertRegex(shown, r"[^-]echo\b")
        self.assertEqual(terminal.run("display-message", "-p", "#{alternate_on} #{cursor_flag} "
                                      "#{mouse_any_flag}").split(), ["0", "1", "0"])
        return shown

    def test_find_the_leak(self):
        t = self.start(self.make("shop"))
        t.until("Suspects", "STORE['sessions']", "q quit")
        t.keys("Enter")
        t.until("why it is alive", "['STORE']", "retains 24.27 KiB")
        t.keys("BSpace")
        t.until("What is big")
        t.keys("q")
        self.assertIn("exit=0", self.assert_restored(t))

    def test_colours_and_none(self):
        t = self.start(self.make("shop"))
        t.until("What is big")
        self.assertRegex(t.screen("-e"), "\x1b\\[[0-9;]*4[0-7]m")
        t.keys("q")
        t = self.start(self.make("shop"), env="NO_COLOR=1")
        t.until("What is big")
        self.assertNotRegex(t.screen("-e"), "\x1b\\[[0-9;]*[34][0-7]m")
        t.keys("q")

    def test_resize(self):
        t = self.start(self.make("shop"))
        t.until("9 More")
        t.resize(40, 10)
        t.until("What is big", absent=["9 More"])
        t.resize(30, 6)
        t.until("too small")
        t.resize(140, 40)
        shown = t.until("9 More", "q quit")
        self.assertTrue(shown.rstrip("\n").split("\n")[-1].endswith("q quit"))

    def test_terms(self):
        for term in ("screen-256color", "vt100", "xterm", "linux"):
            with self.subTest(term=term):
                # for the console ncurses loads libgpm, which leaks ten bytes
                env = "TERM=linux ASAN_OPTIONS=detect_leaks=0" if term == "linux" else \
                    "TERM=" + term
                t = self.start(self.make("shop"), env=env)
                t.until("What is big")
                t.keys("2")
                t.until("shop.models.Session", "1 of 10")
                t.keys("q")
                t.until("exit=0")
        t = self.start(self.make("shop"), env="TERM=dumb")
        t.until("exit=")	# text instead: no way to place a cursor

    def test_other_locales(self):
        for env in ("LC_ALL=C", "LC_ALL=POSIX", "LC_ALL=xx_XX.nonsense"):
            with self.subTest(env=env):
                t = self.start(self.make("hostile"), env=env)
                shown = t.until("What is big")
                self.assertTrue(shown.isascii(), shown)
                t.keys("q")

    def test_escape_is_fast_and_arrows_work(self):
        t = self.start(self.make("shop"))
        t.until("What is big")
        t.keys("2", "Down", "Down")
        t.until("3 of 10")
        t.keys("\\", "m", "o", "d", "e", "l")
        t.until("filter: model", absent=["builtins"])
        t.keys("Escape")
        t.until("of 10")
        t.keys("PageDown")
        t.until("10 of 10")
        t.keys("Home")
        t.until("1 of 10")

    def test_hostile_names_leave_the_terminal_alone(self):
        t = self.start(self.make("hostile"), width=80, height=24)
        for keys in ("1", "2", "3", "4", "*", "i", "2", "Enter", "Enter", "5", "7"):
            t.keys(keys)
            t.until("q quit", "hostile.pymem")
        title = t.run("display-message", "-p", "#{pane_title}")
        self.assertNotIn("owned", title)
        t.keys("q")
        self.assert_restored(t)

    def test_signals_restore_the_terminal(self):
        for sig in (signal.SIGTERM, signal.SIGSEGV, signal.SIGINT, signal.SIGHUP, signal.SIGABRT):
            with self.subTest(signal=sig.name):
                t = self.start(self.make("shop"))
                t.until("What is big")
                os.kill(t.viewer_pid(), sig)
                self.assert_restored(t)

    @staticmethod
    def stop_state(terminal, pid):
        """What has become of a Ctrl-Z: signals and state of the viewer, the terminal's."""
        with open("/proc/%d/status" % pid) as f:
            lines = [l.strip() for l in f if l.startswith(("State", "Sig", "Shd"))]
        with open("/proc/%d/stat" % pid) as f:
            numbers = f.read().rpartition(")")[2].split()
        tty = terminal.run("display-message", "-p", "#{pane_tty}").strip()
        modes = subprocess.run(["stty", "-a", "-F", tty], stdout=subprocess.PIPE,
                               encoding="utf-8").stdout
        return "%s; pgrp %s, foreground %s\n%s" % (lines, numbers[2], numbers[5], modes)

    def test_stop_and_continue(self):
        t = Terminal(self.dir, "bash --norc --noprofile -i")
        self.addCleanup(t.close)
        t.keys("PS1='ready> '; %s --no-sidecar %s" % (VIEW, self.make("shop")), "Enter")
        t.until("What is big")
        viewer = t.viewer_pid()
        # the whole picture is drawn, and nothing but a key or a signal is waited for
        wait_for(lambda: call_of(viewer) in CALLS["ppoll"], 20, "the viewer to wait")
        t.keys("C-z")
        try:
            t.until("Stopped", "ready>", absent=["What is big"])
        except AssertionError as e:
            raise AssertionError("%s\n%s" % (e, self.stop_state(t, viewer))) from None
        self.assertEqual(t.run("display-message", "-p", "#{alternate_on}").strip(), "0")
        t.keys("fg", "Enter")
        t.until("What is big", "q quit")
        t.keys("2")
        t.until("1 of 10")
        t.keys("q")
        t.until("ready>", absent=["1 of 10"])

    def test_standard_input_is_a_snapshot(self):
        """Keys come from the terminal, not from the pipe."""
        t = self.start("-", "<", self.make("shop"))
        t.until("What is big")
        t.keys("2")
        t.until("1 of 10")
        t.keys("q")
        t.until("exit=0")

    def test_live(self):
        """A stream on a terminal: counts grow, then the overview; nothing stays stale."""
        fifo = os.path.join(self.dir, "fifo")
        os.mkfifo(fifo)
        with open(self.make("shop"), "rb") as f:
            data = f.read()
        t = self.start("--live-fd", "9", "name.pymem", "9<", fifo)
        with open(fifo, "wb", buffering=0) as out:
            for at in range(0, len(data) - 200, 500):
                out.write(data[at:min(at + 500, len(data) - 200)])
                time.sleep(0.01)
            t.until("live  name.pymem", "Arriving", "shop.models.Session")
            out.write(data[len(data) - 200:])
        t.until("What is big", "pid 4242", "STORE['sessions']")
        t.keys("q")
        t.until("exit=0")

    def test_live_end_after_a_pause(self):
        """The end alone is an event, and the last one: all of the overview follows it."""
        fifo = os.path.join(self.dir, "fifo")
        os.mkfifo(fifo)
        with open(self.make("shop"), "rb") as f:
            data = f.read()
        for cut in (0, 200):
            t = self.start("--live-fd", "9", "name.pymem", "9<", fifo)
            with open(fifo, "wb", buffering=0) as out:
                out.write(data[:len(data) - cut])
                t.until("live  name.pymem", "Arriving", "shop.models.Session")
                time.sleep(0.2)  # longer than the viewer puts off a picture
            t.until("What is big", "pid 4242")
            t.keys("q")
            t.until("exit=%d" % (3 if cut else 0))

    def test_listening(self):
        path = os.path.join(self.dir, "socket")
        t = self.start("--listen", path)
        t.until("no snapshot has arrived yet")
        with open(self.make("shop"), "rb") as f:
            data = f.read()
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendall(data)
        t.until("[1/3]", "shop.models.Session")
        t.keys("Right")
        t.until("What is big", "[2/3]")
        t.keys("q")
        t.until("exit=0")
        self.assertFalse(os.path.exists(path))

    def test_mouse(self):
        t = self.start(self.make("shop"), env="TERM=xterm-256color")
        shown = t.until("2 Types")
        column = shown.split("\n")[1].index("2 Types") + 2
        t.keys("-l", "\x1b[<0;%d;2M\x1b[<0;%d;2m" % (column, column))
        t.until("1 of 10")


if __name__ == "__main__":
    unittest.main()
