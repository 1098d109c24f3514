# ctest: labels=e2e;slow
# SPDX-License-Identifier: MIT
"""loader/quickstart: its usage always; the whole way, from a fresh copy of the
sources, with PYMEM_LONG=1 (it builds everything once more)."""
import os
import re
import shutil

from harness import *

PARTS = ("CMakeLists.txt", "agent", "formats", "loader", "viewer", "tests")


class Quickstart(Case):
    def quickstart(self, root, *args, **kw):
        return run([os.path.join(root, "loader", "quickstart")] + list(args), cwd=self.tmp, **kw)

    def test_usage(self):
        done = self.quickstart(ROOT, "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"quickstart PID", done.stdout)
        for args in (["abc"], ["1", "2"], ["999999999"]):
            done = self.quickstart(ROOT, *args)
            self.assertEqual(done.returncode, 1)
            self.assertTrue(done.stderr.startswith(b"quickstart: "), done.stderr)

    def test_progress(self):
        """How far the build is, on a terminal alone; what a failing one said last."""
        root = self.path("root")
        os.makedirs(os.path.join(root, "loader"))
        shutil.copy(os.path.join(ROOT, "loader", "quickstart"), os.path.join(root, "loader"))
        with open(self.path("cmake"), "w") as cmake:
            cmake.write("#!/bin/sh\ncase $1 in --build) echo '[1/3] one'; echo '[ 66%] two'\n"
                        "echo 'a.c: error'; exit 1;; esac\n")
        os.chmod(self.path("cmake"), 0o755)
        path = dict(os.environ, PATH=self.tmp + ":" + os.environ["PATH"])
        command = [os.path.join(root, "loader", "quickstart")]
        done = subprocess.run(command, env=path, cwd=root, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"a.c: error", done.stderr)
        self.assertIn(b"the build failed", done.stderr)
        self.assertNotIn(b"\r", done.stderr)
        ours, theirs = os.openpty()
        code = subprocess.call(command, env=path, cwd=root, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = read_terminal(ours)
        os.close(ours)
        self.assertEqual(code, 1)
        for part in b"\rquickstart: building [1/3]", b"\rquickstart: building [ 66%]", b"failed":
            self.assertIn(part, shown)

    @unittest.skipUnless(LONG, "builds everything: PYMEM_LONG=1")
    def test_the_whole_way(self):
        root = self.path("fresh")
        os.mkdir(root)
        for part in PARTS:
            source = os.path.join(ROOT, part)
            copy = shutil.copytree if os.path.isdir(source) else shutil.copy
            copy(source, os.path.join(root, part))
        done = self.quickstart(root, timeout=560)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(text, r"suspect 1: .* __main__\.STORE\.sessions -> dict -> "
                         r"[\d,]+ Session")
        service = int(re.search(rb"started a web shop.*\(process (\d+)\)", done.stderr).group(1))
        self.assertFalse(os.path.exists("/proc/%d" % service), "the web shop was left running")
        self.assertEqual(len(os.listdir(self.path("pymem_out"))), 1 +
                         any(n.endswith(".pmx") for n in os.listdir(self.path("pymem_out"))))
        with Target(interpreters()[-1], "class Mine: pass\nX = [Mine() for _ in range(999)]\n"
                    "ready()\nserve()\n") as t:
            done = self.quickstart(root, str(t.pid), timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Mine", done.stdout.decode())
            self.assertEqual(t.ask("len(X)"), 999)


if __name__ == "__main__":
    main()
