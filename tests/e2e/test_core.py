# ctest: labels=e2e;ptrace cost=50
# SPDX-License-Identifier: MIT
"""Core files: pymem-load --core tells of a process that is no more what a capture tells
of it while it lives."""
from corecase import *


@unittest.skipUnless(shutil.which("gcore"), "gdb, whose gcore makes cores, is not here")
class Cores(CoreCase):
    def test_same_as_live(self):
        for python in interpreters() if LONG else some_interpreters():
            if python.free_threaded:
                continue
            with self.subTest(python=python.name), Target(python, HEAP) as target:
                core = self.core_of(target)
                live = self.path("live.pymem")
                done = run_load("-q", "-f", live, target.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                out, done = self.read(core)
                self.assertIn(b"complete (core)", done.stdout)
                self.same(live, out)
                # a word that was left on a stack may seem to hold one of them as well
                self.assertRegex(done.stdout, rb"STORE\['sessions'\] -> list -> "
                                              rb"(5,000|4,99\d) Session")
                threads = self.report(out, "threads")
                self.assertIn("worker-x", json.dumps(threads))
                self.assertIn("held_by_main", json.dumps(threads) + json.dumps(
                    self.report(out, "objects", "--type", "list")))
                self.assert_explained(done)
                os.unlink(core)

    def test_packed_and_cut_off(self):
        python = some_interpreters(1)[0]
        with Target(python, HEAP) as target:
            core = self.core_of(target)
        whole, done = self.read(core, "-q")
        objects = self.report(whole, "types")
        for pack in (["zstd", "-q", "-1", "--no-check"], ["lz4", "-q", "-1"],
                     ["gzip", "-1"], ["xz", "-0"]):
            packed = self.path("packed." + pack[0])
            with open(core, "rb") as a, open(packed, "wb") as b:
                subprocess.run([*pack, "-c"], stdin=a, stdout=b, check=True)
            out, done = self.read(packed, "-q")
            self.assertEqual(self.report(out, "types"), objects)
        self.assertEqual([n for n in os.listdir(self.tmp) if "part" in n], [])
        cut = self.path("cut")
        with open(core, "rb") as a, open(cut, "wb") as b:
            b.write(a.read(os.path.getsize(core) * 9 // 10))
        done = run_load("-q", "-f", self.path("cut.pymem"), "--core", cut)
        self.assertIn(done.returncode, (1, 3), done.stderr)
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertRegex(done.stderr, b"is cut off|can.t be told|not understood|no CPython"
                                      b"|no interpreter|no core|no memory")

    def test_no_code_below_a_sysroot(self):
        """The files are found below a folder, and only there; others' are refused."""
        python = some_interpreters(1)[0]
        with Target(python, HEAP) as target:
            core = self.core_of(target)
            with open("/proc/%d/maps" % target.pid) as maps:
                files = {line.split(None, 5)[5].strip() for line in maps
                         if ".so" in line or "python" in line}
        root = self.path("root")
        for path in files:
            if path.startswith("/") and os.path.exists(path):
                os.makedirs(root + os.path.dirname(path), exist_ok=True)
                shutil.copy(path, root + path)
        out, done = self.read(core, "-q", "--sysroot", root)
        self.assertNotIn(b"not found", done.stderr)
        empty = self.path("empty")
        os.mkdir(empty)
        done = run_load("-f", self.path("none.pymem"), "--core", core, "--sysroot", empty)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"--exec", done.stderr)
        self.assertFalse(os.path.exists(self.path("none.pymem")))

    def test_killed_by_a_signal(self):
        """As the kernel writes them, where it writes them into the folder."""
        if not kernel_pattern():
            self.skipTest("cores go elsewhere here")
        folder = self.path("crash")
        os.mkdir(folder)
        python = some_interpreters(1)[0]
        done = subprocess.run(
            [python.path, "-c", "STORE = [{'n': n} for n in range(5000)]\n"
             "import os; os.abort()"], cwd=folder,
            preexec_fn=unlimited_core)
        self.assertEqual(done.returncode, -signal.SIGABRT)
        cores = os.listdir(folder)
        if not cores:
            self.skipTest("the kernel wrote none")
        out, done = self.read(os.path.join(folder, cores[0]))
        self.assertIn(b"STORE -> list -> 5,000 dict", done.stdout)


class Short(CoreCase):
    def test_too_little_memory(self):
        """A limit of memory ends in a sentence, wherever it is met."""
        python = some_interpreters(1)[0]
        with Target(python, HEAP) as target:
            core = self.core_of(target)
        for mib in (4, 12, 24, 40):
            with self.subTest(mib=mib):
                done = subprocess.run(["sh", "-c", 'ulimit -d %d; exec "$@"' % (mib << 10),
                                       "sh", LOAD, "-q", "-f", self.path("o"), "--core",
                                       core], stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, b"no memory|out of memory|allocate memory")
                self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertEqual(os.listdir(self.tmp), [os.path.basename(core)])


class Wrong(Case):
    def refused(self, words, *options, status=1):
        out = self.path("out.pymem")
        done = subprocess.run([LOAD, "-f", out, *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertFalse(os.path.exists(out))
        self.assertEqual([n for n in os.listdir(self.tmp) if n.startswith(".")], [])

    def test_files_that_are_no_cores(self):
        text = self.path("text")
        with open(text, "wb") as f:
            f.write(b"x" * 5000)
        self.refused(b"isn't ELF", "--core", text)
        self.refused(b"but no core", "--core", "/proc/self/exe")
        self.refused(b"can't be opened: No such file", "--core", self.path("nothing"))
        self.refused(b"isn't a regular file", "--core", "/dev/null")
        open(self.path("void"), "wb").close()
        self.refused(b"is empty", "--core", self.path("void"))
        for kind, magic, words in (("xz", b"\xfd7zXZ\0", b"unpacked (xz): damaged"),
                                   ("lz4", b"\x04\x22\x4d\x18", b"unpacked (lz4)"),
                                   ("zst", b"\x28\xb5\x2f\xfd", b"unpacked (zstd)")):
            with open(self.path(kind), "wb") as f:
                f.write(magic + b"\xff" * 100)
            self.refused(words, "--core", self.path(kind))

    def test_what_keeps_the_reader(self):
        """A core that unfolds without end is given up; the process that reads it has the
        limits that the manual tells. A user's own limits, if they are less, count."""
        zeros = subprocess.run("head -c 1G /dev/zero | zstd -q --no-check -c", shell=True,
                               stdout=subprocess.PIPE, check=True).stdout
        packed = self.path("unfolds")
        with open(packed, "wb") as f:	# 200 GiB
            f.write(200 * zeros)
        with subprocess.Popen([LOAD, "-q", "-f", self.path("o"), "--core", packed],
                              stderr=subprocess.PIPE) as loader:
            limits = {}

            def reading():
                for pid in descendants(loader.pid):
                    if text_of("/proc/%d/comm" % pid) == "pymem-core\n":
                        limits.update(re.findall(r"^Max (cpu time|data size) +(\d+) ",
                                                 text_of("/proc/%d/limits" % pid), re.M))
                return len(limits) == 2

            wait_for(reading, what="the reader's limits")
            loader.send_signal(signal.SIGINT)
            loader.communicate(timeout=300)
        size = 32 * (os.stat(packed).st_blocks * 512)
        self.assertEqual(limits, {"cpu time": str(30 + size // (8 << 20)),
                                  "data size": str((1 << 30) + 2 * size)})
        for unit in ("-t", "-St"):
            done = subprocess.run(["sh", "-c", 'ulimit %s 2; exec "$@"' % unit, "sh", LOAD,
                                   "-q", "-f", self.path("o"), "--core", packed],
                                  stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, b"given up after [12] s of processor time")
        self.assertEqual(os.listdir(self.tmp), ["unfolds"])

    def test_options(self):
        self.refused(b"takes the place", "--core", "x", "1", status=2)
        self.refused(b"--sysroot goes with --core", "--sysroot", "/", status=2)
        self.refused(b"--method goes with a process", "--core", "x", "--method",
                     "agent", status=2)


if __name__ == "__main__":
    main()
