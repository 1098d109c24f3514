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
