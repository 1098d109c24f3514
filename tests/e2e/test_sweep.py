# ctest: labels=e2e;ptrace cost=34
# SPDX-License-Identifier: MIT
"""One thing fails, each in its turn: every allocation, every system call, every write.

Whatever it is, each program ends with a good result or with one sentence: it never
crashes, hangs, leaves a process or a file, or harms its target.  By default a sample;
with PYMEM_LONG=1 every allocation, and of each call the first, and then fewer and
fewer.  PYMEM_TEST_SWEEP=SECONDS bounds each test of the full version."""
import errno
import random
import re

from harness import *
from injection import TARGETS

REFUSE_CALL = os.path.join(TARGETS, "refuse_call")
REFUSE_MEMORY = os.path.join(TARGETS, "refuse_memory.so")
SECONDS = float(os.environ.get("PYMEM_TEST_SWEEP", "900"))
SAMPLE = 6
IDLE = "class A: pass\nheap = [A() for _ in range(50)]\nready()\nserve()\n"
LEFT_BEHIND, COULDNT_RUN = 124, 125
SAID = re.compile(r"^pymem-(load|view): |^  |^Try 'pymem-")


def sampled(numbers):
    """All of them, or a few that differ from each other, always the same."""
    numbers = list(numbers)
    if LONG or len(numbers) <= SAMPLE:
        return numbers
    return sorted(random.Random(3).sample(numbers, SAMPLE))


def occurrences(count):
    """Of a call made so often: each of the first 16, then fewer and fewer."""
    n = 1
    while n <= count:
        yield n
        n = n + 1 if n < 16 else n + n // 4


class Sweep(Case):
    """A subclass says what is run and what must be true afterwards."""

    def setUp(self):
        super().setUp()
        self.out = self.path("out")
        os.mkdir(self.out)
        self.counter = self.path("counter")

    def clean(self):
        for name in os.listdir(self.out):
            os.unlink(os.path.join(self.out, name))

    def judge(self, what, p):
        """One sentence or a good result."""
        words = p.stderr.decode("utf-8", "replace")
        if p.returncode == 127 and "loading shared libraries" in words:
            return self.clean()     # the dynamic loader's sentence, before there is a program
        self.assertNotIn(p.returncode, (LEFT_BEHIND, COULDNT_RUN), (what, words))
        self.assertGreaterEqual(p.returncode, 0, (what, words))
        self.assertLess(p.returncode, 126, (what, words))      # 128 + a signal
        if p.returncode:
            lines = [l for l in words.splitlines() if l.strip()]
            self.assertTrue(lines, "%s: status %d without a word" % (what, p.returncode))
            self.assertLessEqual(len(lines), 4, (what, words))
            self.assertRegex(lines[-1], SAID, what)
        else:
            self.assert_good(what, p)
        self.assert_nothing_left(what)
        self.clean()

    def assert_good(self, what, p):
        raise NotImplementedError

    def assert_nothing_left(self, what):
        left = [n for n in os.listdir(self.out) if n not in self.RESULTS]
        self.assertEqual(left, [], what)

    def allocations(self, command):
        """Runs it once for each allocation (or some), which fails."""
        def refused(n):
            with open(self.counter, "wb") as f:
                f.write(bytes(8))
            env = dict(os.environ, LD_PRELOAD=REFUSE_MEMORY,
                       PYMEM_REFUSE="%s:%d" % (self.counter, n))
            return run(command(), timeout=600, env=env)
        p = refused(0)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.clean()
        with open(self.counter, "rb") as f:
            total = int.from_bytes(f.read(), sys.byteorder)
        self.assertGreater(total, 10)
        ends = self.each(sampled(occurrences(total) if total > 3000 else range(1, total + 1)),
                         lambda n: ("allocation %d of %d" % (n, total), refused(n)))
        print("  %s: %d allocations, %s" % (self.id(), total, ends), flush=True)

    def calls(self, command, error=None, only=None):
        """The same for system calls; only: numbers, all others are let alone."""
        told = self.path("calls")

        def refused(*options):
            return run([REFUSE_CALL, *options, *command()], timeout=600)
        p = refused("-o", told)
        if p.returncode == COULDNT_RUN:
            self.skipTest("this kernel lets no filter ask a supervisor")
        self.assertEqual(p.returncode, 0, p.stderr)
        self.clean()
        with open(told) as f:
            made = [l.split(None, 2) for l in f]
        cases = [(name.strip(), nr, n) for nr, count, name in made
                 if not only or name.split()[0] in only for n in occurrences(int(count))
                 if (name.split()[0], n) != ("mmap", 1)]    # ld.so's: it ends by SIGSEGV
        self.assertTrue(cases, made)
        extra = ("-e", str(error)) if error else ()
        ends = self.each(sampled(cases), lambda c: (
            "%s, number %d%s" % (c[0], c[2], " " + errno.errorcode[error] if error else ""),
            refused("-c", c[1], "-n", str(c[2]), *extra)))
        print("  %s: %d calls of %d kinds, %s" % (
            self.id(), sum(int(m[1]) for m in made), len(made), ends), flush=True)

    def each(self, cases, one):
        """one(case): (what, completed process); how they ended."""
        deadline, good, said, bad = time.monotonic() + SECONDS, 0, 0, 0
        for case in cases:
            if time.monotonic() > deadline:
                print("  %s: stopped after %.0f s" % (self.id(), SECONDS))
                break
            what, p = one(case)
            with self.subTest(what=what):
                bad += 1
                self.judge(what, p)
                bad -= 1
            good += p.returncode == 0
            said += p.returncode != 0
        return "%d tried: %d good, %d said why not, %d wrong" % (good + said, good, said, bad)


class Viewer(Sweep):
    RESULTS = ("a.jsonl", "graph.dot")

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="pymem-test-")
        cls.snapshot = os.path.join(cls.folder, "s.pymem")
        with Target(interpreters()[-1], IDLE) as t:
            p = run_load("-q", "-f", cls.snapshot, t.pid)
        assert p.returncode == 0, p.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def assert_good(self, what, p):
        """What it prints is what it prints when nothing fails."""
        self.assertEqual(p.stdout, self.expected, what)

    def view(self, *args):
        """Each time beside a fresh copy of the snapshot, without a sidecar."""
        copy = os.path.join(self.out, "s.pymem")

        def command():
            shutil.copy(self.snapshot, copy)
            return [VIEW, copy, *args]
        self.expected = run(command()).stdout
        self.clean()
        return command

    def assert_nothing_left(self, what):
        left = set(os.listdir(self.out)) - {"s.pymem", "s.pymem.pmx", *self.RESULTS}
        self.assertEqual(left, set(), what)

    def test_memory_of_a_report(self):
        self.allocations(self.view("--report", "suspects"))

    def test_calls_of_a_report(self):
        self.calls(self.view("--report", "suspects"))

    def test_memory_of_an_export(self):
        self.allocations(self.view("--export", "jsonl", "-o",
                                   os.path.join(self.out, "a.jsonl")))

    def test_calls_of_an_export(self):
        self.calls(self.view("--export", "jsonl", "-o", os.path.join(self.out, "a.jsonl")))

    def test_writes_of_an_export(self):
        for error in (errno.ENOSPC, errno.EIO, errno.EPIPE)[:3 if LONG else 1]:
            self.calls(self.view("--export", "jsonl", "-o",
                                 os.path.join(self.out, "a.jsonl")),
                       error, ("write", "fsync", "rename", "close", "pwrite64"))

    def test_an_export_replaces_nothing_before_it_is_on_the_disk(self):
        """Where it can't be brought there the old file stays."""
        command = self.view("--export", "jsonl", "-o", os.path.join(self.out, "a.jsonl"))
        told, result = self.path("calls"), os.path.join(self.out, "a.jsonl")
        p = run([REFUSE_CALL, "-o", told, *command()])
        if p.returncode == COULDNT_RUN:
            self.skipTest("this kernel lets no filter ask a supervisor")
        with open(told) as f:
            number, = [l.split()[0] for l in f if l.split()[2] == "fsync"]
        with open(result, "w") as f:
            f.write("old")
        p = run([REFUSE_CALL, "-c", number, "-n", "1", "-e", str(errno.EIO), *command()])
        self.assertEqual(p.returncode, 1, p.stderr)
        with open(result) as f:
            self.assertEqual(f.read(), "old")

    @unittest.skipUnless(LONG, "one report and one export stand for the others")
    def test_memory_and_calls_of_the_others(self):
        for args in (("--report", "overview", "--format", "json"), ("--report", "paths",
                     "--object", "1"), ("--graph", "types", "-o",
                     os.path.join(self.out, "graph.dot")),
                     ("--export", "heapsnapshot", "-o", os.path.join(self.out, "a.jsonl"))):
            if run(self.view(*args)()).returncode == 0:
                self.allocations(self.view(*args))
                self.calls(self.view(*args))


class Loader(Sweep):
    RESULTS = ("s.pymem",)

    def setUp(self):
        super().setUp()
        self.target = Target(interpreters()[-1], IDLE)
        self.addCleanup(self.target.close)
        self.file = os.path.join(self.out, "s.pymem")
        p = run_load("-q", "-f", self.file, self.target.pid)     # what the first leaves
        self.assertEqual(p.returncode, 0, p.stderr)
        self.clean()
        self.before = ProcState(self.target.pid)

    def assert_good(self, what, p):
        """What it left is whole; or, where it said so by 3, a snapshot as far as it goes."""
        self.assertTrue(os.path.exists(self.file), what)
        checked = run_view(self.file, "--report", "overview", "--no-sidecar")
        whole = p.returncode != 3
        self.assertEqual(checked.returncode, 0 if whole else 3, (what, checked.stderr))
        self.assertEqual(b"INCOMPLETE" in checked.stderr, not whole, what)

    def judge(self, what, p):
        if p.returncode and os.path.exists(self.file):
            # partial, and said so; or whole, but perhaps not yet on the disk
            self.assertIn(p.returncode, (3, 1), what)
            if p.returncode == 1:
                self.assertRegex(p.stderr, b"folder|standard output", what)
            self.assert_good(what, p)
        super().judge(what, p)
        self.assertTrue(self.target.alive, what)
        try:
            self.assert_untouched(self.before, timeout=8)
        except AssertionError:      # an agent that was left idle goes with the next capture
            self.assertTrue(p.returncode or b'"note":null' not in p.stdout, (what, p.stdout))
            again = run_load("-q", "-f", self.file, self.target.pid)
            self.assertEqual(again.returncode, 0, (what, again.stderr))
            self.clean()
            self.assert_untouched(self.before, timeout=8)
        self.assertEqual(self.target.ask("len(heap)"), 50)

    def test_channels_that_break(self):
        """The snapshot's bytes can't be read any more: from its beginning to its end."""
        self.calls(self.load(), only=("recvfrom",))

    def load(self, *args):
        return lambda: [LOAD, "-q", "--json", "-f", self.file, *args, str(self.target.pid)]

    def test_memory(self):
        self.allocations(self.load())

    def test_calls(self):
        self.calls(self.load())

    def test_calls_of_a_copy(self):
        self.calls(self.load("--method=external"))

    def test_writes(self):
        for error in (errno.ENOSPC, errno.EIO, errno.EPIPE)[:3 if LONG else 1]:
            self.calls(self.load(), error,
                       ("write", "fsync", "linkat", "rename", "renameat", "ftruncate"))


if __name__ == "__main__":
    main()
