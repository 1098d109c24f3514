# ctest: labels=e2e cost=95
# SPDX-License-Identifier: MIT
"""LD_PRELOAD: snapshots before memory is gone: lines, the kernel's word, growth, and
MemoryError."""
import glob
import os
import resource
import signal
import subprocess
import tempfile
import time
import unittest

from control_socket import *
from harness import *
from preloadcase import *

SYS_PPOLL = 73 if os.uname().machine == "aarch64" else 271


def watcher(pid):
    """The thread that watches, as its folder in /proc; or None."""
    for status in glob.glob("/proc/%d/task/*/comm" % pid):
        try:
            with open(status) as f:
                if f.read() == "pymem-watch\n":
                    return os.path.dirname(status)
        except OSError:
            pass


def watcher_sleeps(pid):
    """It waits in ppoll, so everything is armed; before that it looks for Python."""
    try:
        with open(watcher(pid) + "/syscall") as f:
            return f.read().split()[0] == str(SYS_PPOLL)
    except (OSError, TypeError):
        return False


def watcher_switches(pid):
    with open(watcher(pid) + "/status") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("voluntary_ctxt_switches"))


def resident(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def watcher_looks(pid, times=2):
    """Waits until it has been woken so often, and so has looked at least once since."""
    before = watcher_switches(pid)
    assert until(lambda: watcher_switches(pid) >= before + times)


class MemoryShort(PreloadCase):
    def large_file(self):
        """A name on a disk: /tmp may be memory, which the kernel can't drop."""
        folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        return os.path.join(folder.name, "large")

    def test_rss_limit(self):
        for python in in_turn(2):
            with self.subTest(python=python.name), \
                    Target(python, BASE + "ready()\nserve()\n",
                           env=self.env("rss-%p-%t.pymem", PYMEM_RSS_LIMIT="150M")) as t:
                pattern = "rss-%d-*.pymem" % t.pid
                self.assertTrue(until(lambda: watcher_sleeps(t.pid)))
                self.assertEqual(self.files(pattern), [])
                t.tell("big = bytearray(200 << 20)")
                self.wait_files(1, pattern=pattern)
                watcher_looks(t.pid)
                self.assertEqual(len(self.files(pattern)), 1)   # once per crossing
                self.assert_whole(self.files(pattern)[0])

    def test_rss_limit_again(self):
        """Falls below the line and crosses it again: a second one."""
        python = some_interpreters(1)[0]
        with Target(python, BASE + "ready()\nserve()\n",
                    env=self.env(PYMEM_RSS_LIMIT="150M", PYMEM_COOLDOWN="0")) as t:
            t.tell("big = bytearray(200 << 20)")
            self.wait_files(1)
            t.tell("del big")
            watcher_looks(t.pid)
            t.tell("big = bytearray(200 << 20)")
            self.wait_files(2)

    def test_hog_in_a_control_group(self):
        """Fills its memory as fast as it can and is killed for it: the snapshot was
        taken early enough to be whole."""
        hogs = {
            "objects": "hog = []\nwhile True: hog.append({'a': [1, 2, 3], 'n': len(hog)})\n",
            "buffers": "hog = []\nwhile True: hog.append(b'x' * 100000); time.sleep(1e-5)\n",
        }
        for n, (name, hog) in enumerate(hogs.items()):
            for python in in_turn(n):
                group = MemoryGroup(400 << 20)
                self.addCleanup(group.remove)
                if not group.usable:
                    self.skipTest("no control group can be made")
                with self.subTest(python=python.name, hog=name):
                    env = self.env("hog-%p-%t.pymem", PYMEM_RSS_LIMIT="70%")
                    done = run([python.path, "-c", BASE + hog], env=env,
                               preexec_fn=group.enter)
                    self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
                    path, = self.files("hog-*.pymem")
                    self.assert_whole(path)
                    os.unlink(path)
                group.remove()

    def limited(self, python, room, before="", **variables):
        """A target in a group that has so many bytes left, and its snapshot on a signal."""
        group = MemoryGroup(1 << 30)
        self.addCleanup(group.remove)
        if not group.usable:
            self.skipTest("no control group can be made")
        with Target(python, BASE + before + "ready()\nserve()\n",
                    preexec_fn=group.enter,
                    env=self.env(PYMEM_SIGNAL=1, **variables)) as t:
            self.assertTrue(until(lambda: watcher_sleeps(t.pid)))
            t.ask("len(heap)")
            group.limit(group.used() + room)
            os.kill(t.pid, 39)
            path, = self.wait_files(1)
            os.rename(path, self.path("taken"))
            self.assertTrue(until(lambda: watcher_sleeps(t.pid)))
            self.assertEqual(t.ask("len(heap)"), 20000)
        group.remove()
        return self.path("taken")

    # a 3.6 without one has no GIL by which it could be held still
    THREAD = "import threading\nthreading.Thread(target=int).start()\n"

    def test_manners(self):
        """By the memory that is left: a copy, one that everybody waits for, none, or no
        walk at all. A summary says that it is no whole snapshot."""
        for n, (room, manner) in enumerate(((100, "copy"), (22, "copy, standing still"),
                                            (12, "in place"), (7, "summary"))):
            for python in in_turn(n):
                with self.subTest(python=python.name, manner=manner):
                    path = self.limited(python, room << 20, self.THREAD, PYMEM_RESERVE=0)
                    self.assertEqual(fact_of(path, "trigger.manner"), manner)
                    self.assertLessEqual(int(fact_of(path, "trigger.room")), (room + 1) << 20)
                    if manner != "summary":
                        self.assert_whole(path)
                        continue
                    self.assertEqual(int(fact_of(path, "walk.summary")), 1)
                    done = run_view("--no-sidecar", path)
                    self.assertEqual(done.returncode, 3, done.stderr)
                    self.assertIn(b"only a summary", done.stdout)
                    self.assertRegex(done.stdout, rb"builtins.dict +2\d,\d\d\d ")

    def test_nothing_to_hold_it_still(self):
        """A 3.6 of one thread in a system call: a copy is made, whatever is left."""
        for python in interpreters():
            if python.version < (3, 7):
                path = self.limited(python, 40 << 20, PYMEM_RESERVE=0)
                self.assertEqual(fact_of(path, "trigger.manner"), "copy")
                path = self.limited(python, 22 << 20, PYMEM_RESERVE=0)
                self.assertEqual(fact_of(path, "trigger.manner"), "copy")
                self.assert_whole(path)

    def test_reserve(self):
        """What is set aside at the start counts as used, and makes room for a copy where
        there would be none; it is taken again afterwards, if it fits."""
        python = some_interpreters(1)[0]
        sizes = []
        for reserve in (0, "64M"):
            with Target(python, BASE + "ready()\nserve()\n",
                        env=self.env(PYMEM_SIGNAL=1, PYMEM_RESERVE=reserve)) as t:
                sizes.append(resident(t.pid))
                os.kill(t.pid, 39)
                self.wait_files(len(sizes))
                self.assertTrue(until(lambda: resident(t.pid) > sizes[-1] - (8 << 20)))
        self.assertGreater(sizes[1] - sizes[0], 56 << 20)
        for path in self.files():
            os.unlink(path)
        path = self.limited(python, 4 << 20, PYMEM_RESERVE="64M")
        self.assertEqual(fact_of(path, "trigger.manner"), "copy")
        self.assert_whole(path)

    def test_memory_error(self):
        code = BASE + """
import resource
while len(os.listdir("/proc/self/task")) > 1:   # who arms it has gone
    time.sleep(0.01)
def size():
    return int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (size() + (64 << 20),) * 2)
hog = []
try:
    while True:
        hog.append(bytearray(1 << 20))
except MemoryError:
    n = len(hog)
    del hog
    print("caught", n > 20)
"""
        for python in interpreters():
            with self.subTest(python=python.name):
                env = self.env("me-%p.pymem", PYMEM_MEMORY_ERROR=1)
                limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
                done = self.run_python(python, code, env, preexec_fn=limit)
                self.assertEqual(done.stdout, b"caught True\n", done.stderr)
                path, = self.files("me-*.pymem")
                self.assert_whole(path)
                os.unlink(path)

    def test_memory_error_of_small_objects(self):
        """pymalloc's arenas fail, not a single large block."""
        code = BASE + """
import resource
while len(os.listdir("/proc/self/task")) > 1:   # who arms it has gone
    time.sleep(0.01)
def size():
    return int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (size() + (48 << 20),) * 2)
hog = None
try:
    while True:
        hog = (hog, object())
except MemoryError:
    while hog: hog = hog[0]
    print("caught")
"""
        for python in some_interpreters():
            if python.traces:
                continue	# CPython itself ends there: no memory for its list of objects
            with self.subTest(python=python.name):
                env = self.env("ms-%p.pymem", PYMEM_MEMORY_ERROR=1)
                limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
                done = self.run_python(python, code, env, preexec_fn=limit)
                self.assertEqual(done.stdout, b"caught\n", done.stderr)
                path, = self.files("ms-*.pymem")
                self.assert_whole(path, 200000)
                os.unlink(path)

    def test_memory_error_of_others(self):
        """Raised by Python code; by C code that asked no allocator of the interpreter for
        anything; caught both times. One in a cool-down, however many there are."""
        for n, failing in enumerate(("raise MemoryError", "[0] * (1 << 60)")):
            for python in in_turn(n + 1):
                with self.subTest(python=python.name, failing=failing):
                    name = self.path("mo%d-%%p-%%t.pymem" % n)
                    code = BASE + """
def fail():
    try:
        %s
    except MemoryError:
        pass
folder = os.path.dirname(os.environ["PYMEM_OUTPUT"])
while not any(f.startswith("mo%d") for f in os.listdir(folder)):
    fail()
for i in range(1000):
    fail()
print("caught")
""" % (failing, n)
                    done = self.run_python(python, code, preload(
                        PYMEM_OUTPUT=name, PYMEM_MEMORY_ERROR=1), timeout=600)
                    self.assertEqual((done.stdout, done.returncode), (b"caught\n", 0),
                                     done.stderr)
                    path, = self.files("mo%d*.pymem" % n)
                    self.assert_whole(path)
                    self.assertEqual(fact_of(path, "trigger"), "memory error")
                    os.unlink(path)

    # ---- memory gets short ----

    def of_a_limit(self, group):
        """The reasons there are: a look, or the kernel's word where that was sooner."""
        return ("memory.usage_in_bytes",) if group.v1 else ("memory.current", "memory.events")

    def assert_triggered(self, tell, why, before=None, whole=True, **variables):
        """What is told to a running python makes it take one snapshot, for one of those reasons;
        whole=False: where nothing is left it may be a summary."""
        python = some_interpreters(1)[0]
        with Target(python, BASE + "import mmap\nready()\nserve()\n", preexec_fn=before,
                    env=self.env("short-%p-%t.pymem", **variables)) as t:
            pattern = "short-%d-*.pymem" % t.pid
            self.assertTrue(until(lambda: watcher_sleeps(t.pid)))
            self.assertEqual(self.files(pattern), [])
            t.tell(tell)
            path, = self.wait_files(1, pattern=pattern)
            if whole or fact_of(path, "trigger.manner") != "summary":
                self.assert_whole(path)
            self.assertIn(fact_of(path, "trigger"), why)
            self.assertEqual(t.ask("len(heap)"), 20000)

    def test_share_of_limits(self):
        limit = lambda kind: lambda: resource.setrlimit(kind, (2 << 30, 2 << 30))
        more = "big = mmap.mmap(-1, 1600 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)"
        for kind in ("RLIMIT_AS", "RLIMIT_DATA"):
            with self.subTest(kind):
                self.assert_triggered(more, (kind,), limit(getattr(resource, kind)),
                                      PYMEM_LIMIT="75%")
        group = MemoryGroup(400 << 20)
        self.addCleanup(group.remove)
        if group.usable:
            self.assert_triggered("big = bytearray(330 << 20)", ("memory limit",),
                                  group.enter, PYMEM_LIMIT="80%")

    def test_growth(self):
        self.assert_triggered("big = bytearray(100 << 20)", ("growth",),
                              PYMEM_GROWTH="60M/10s")

    def test_pressure(self):
        """The kernel tells of a group's limit; the watching thread sleeps until then."""
        group = MemoryGroup(400 << 20)
        self.addCleanup(group.remove)
        if not group.usable:
            self.skipTest("no control group can be made")
        if group.v1:
            self.assert_triggered("big = bytearray(350 << 20)", self.of_a_limit(group),
                                  group.enter, PYMEM_PRESSURE="9999ms/10s")
        else:
            # in small pieces: one of many pages, whose faults the kernel slows down above
            # memory.high, would keep the interpreter's lock for minutes
            group.write("memory.high", 300 << 20)
            self.assert_triggered("import glob\nbig = []\n"
                                  "while not glob.glob(%r): big.append(bytearray(1 << 20))" %
                                  self.path("short-*"), self.of_a_limit(group),
                                  group.enter, PYMEM_PRESSURE="9999ms/10s")

    def test_pressure_beside_page_cache(self):
        """Page cache, which the kernel drops, keeps a group at its limit: that alone is no
        shortage.  Under v1 no event comes when the process's own memory grows, under v2 each
        page of the file was one: it is looked at, ever more often."""
        group = MemoryGroup(256 << 20)
        self.addCleanup(group.remove)
        if not group.usable:
            self.skipTest("no control group can be made")
        grow = ("fd = os.open(%r, os.O_RDWR | os.O_CREAT)\n"
                "for i in range(400): os.write(fd, bytes(1 << 20))\n"
                "os.fsync(fd)\n"
                "if any('-%%d.' %% os.getpid() in f for f in os.listdir(%r)): sys.exit(3)\n"
                "grown, began = [], time.monotonic()\n"
                "while not any(f.endswith('-%%d.pymem' %% os.getpid()) for f in os.listdir(%r)):\n"
                "    if len(grown) < 200:   # 100 MB a second, until it is over the line\n"
                "        grown.append(b'x' * 1000000)\n"
                "    time.sleep(max(0.001, began + len(grown) / 100 - time.monotonic()))\n" %
                (self.large_file(), self.tmp, self.tmp))
        python = some_interpreters(1)[0]
        for _ in range(4):
            done = run([python.path, "-c", BASE + grow], preexec_fn=group.enter,
                       env=self.env("cache-%p.pymem", PYMEM_PRESSURE="9999ms/10s"))
            self.assertEqual(done.returncode, 0, done.stderr)
        made = self.files("cache-*.pymem")
        self.assertEqual(len(made), 4)
        for path in made:
            self.assertIn(fact_of(path, "trigger"), self.of_a_limit(group))

    def test_pressure_of_the_group_around(self):
        """Of several groups with a limit any may be the one that is short of memory; under v2
        memory.max, before which no event comes, or memory.high, which slows down the copy too:
        it is begun before."""
        outer = MemoryGroup(400 << 20)
        self.addCleanup(outer.remove)
        if not outer.usable:
            self.skipTest("no control group can be made")
        inner = outer.inner(1 << 30)
        self.addCleanup(inner.remove)
        grow = ("import glob, time\ngrown = []\n"
                "while not glob.glob(%r):\n"
                "    if len(grown) < 340: grown.append(bytearray(1 << 20))   # over the line\n"
                "    time.sleep(0.01)\n" % self.path("around-%d-*.pymem"))
        python = some_interpreters(1)[0]
        cases = [(tight, wide, high) for high in ((False,) if outer.v1 else (False, True))
                 for tight, wide in ((outer, inner), (inner, outer))]
        for n, (tight, wide, high) in enumerate(cases):
            for group, size in (wide, 1 << 30), (tight, (1 << 30) if high else (400 << 20)):
                group.limit(size)
                if not group.v1:
                    group.write("memory.high",
                                400 << 20 if high and group is tight else "max")
            done = run([python.path, "-c", grow % n], preexec_fn=inner.enter,
                       env=self.env("around-%d-%%p.pymem" % n, PYMEM_PRESSURE="9999ms/10s"))
            self.assertEqual(done.returncode, 0, done.stderr)
        made = self.files("around-*.pymem")
        self.assertEqual(len(made), len(cases))
        for path in made:
            self.assert_whole(path, 1000)
            self.assertIn(fact_of(path, "trigger"), self.of_a_limit(outer))

    def test_pressure_of_stalls(self):
        """Waits for memory are told by memory.pressure: a file that doesn't fit is written
        again and again; with groups of v1, by another process, as the machine's waits don't
        count for one whose own group has a limit."""
        group = MemoryGroup(120 << 20)
        self.addCleanup(group.remove)
        if not group.usable or not os.path.exists("/proc/pressure/memory"):
            self.skipTest("no control group can be made, or no PSI here")
        write = ("import os\n"
                 "fd = os.open(%r, os.O_WRONLY | os.O_CREAT)\n"
                 "while not any(f.startswith('short-') and f.endswith('.pymem') "
                 "for f in os.listdir(%r)):\n"
                 "    os.lseek(fd, 0, 0)\n"
                 "    for i in range(300): os.write(fd, bytes(1 << 20))\n" %
                 (self.large_file(), self.tmp))
        if group.v1:
            other = subprocess.Popen([sys.executable, "-c", "input()\n" + write],
                                     stdin=subprocess.PIPE, preexec_fn=group.enter)
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
            self.addCleanup(other.stdin.close)
            enter = None
            tell = "open('/proc/%d/fd/%d', 'w').write('\\n')" % (
                os.getpid(), other.stdin.fileno())
        else:
            tell, enter = write, group.enter
        self.assert_triggered(tell, ("memory.pressure",), enter, whole=False,
                              PYMEM_PRESSURE="1ms/2s")

    def test_no_wake_ups(self):
        """With PYMEM_PRESSURE alone the thread isn't woken while nothing happens."""
        python = some_interpreters(1)[0]
        with Target(python, BASE + "ready()\nserve()\n",
                    env=self.env(PYMEM_PRESSURE="9999ms/10s")) as t:
            self.assertTrue(until(lambda: watcher_sleeps(t.pid)))
            if any(os.readlink(fd).endswith("/memory.events")
                   for fd in glob.glob("/proc/%d/fd/1*" % t.pid)):
                self.skipTest("our own group of v2 has a limit, which is looked at")
            # who looks every 2 s is woken in each such time; on a busy machine the kernel may
            # have had something to tell in one of them
            woken = []
            while len(woken) < 4 and 0 not in woken:
                before = watcher_switches(t.pid)
                time.sleep(3)
                woken.append(watcher_switches(t.pid) - before)
            self.assertIn(0, woken)

    def test_pressure_that_cannot_be_had(self):
        """Said once, at the start; the program runs on."""
        hide = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/fs/cgroup && "
                "mount -t tmpfs none /proc/pressure && exec \"$@\"", "sh"]
        if run(hide + ["true"]).returncode:
            self.skipTest("no mount namespace can be made")
        python = some_interpreters(1)[0]
        env = ["env"] + ["%s=%s" % (k, v) for k, v in
                         self.env(PYMEM_PRESSURE=1).items() if k.startswith("PYMEM_") or
                         k == "LD_PRELOAD"]
        code = ("import os, time\n"
                "while 'pymem: ' not in open(\"%s\").read():\n"
                "    time.sleep(0.01)\nprint(1)" % self.path("said"))
        with open(self.path("said"), "wb") as said:
            done = subprocess.run(hide + env + [python.path, "-c", code], timeout=300,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=said)
        with open(self.path("said"), "rb") as f:
            done.stderr = f.read()
        self.assertEqual((done.returncode, done.stdout), (0, b"1\n"), done.stderr)
        self.assertIn(b"PYMEM_PRESSURE: here the kernel doesn't tell of it", done.stderr)


if __name__ == "__main__":
    main()
