# ctest: labels=e2e;ptrace;slow timeout=3600
# SPDX-License-Identifier: MIT
"""Core files of other Debian releases' CPythons, read on this machine with --sysroot: made
by gcore, compared with the living process; by the kernel, of a process that aborts or is
killed by SIGSEGV. Opt-in: tests/run --cores."""
import signal

from corecase import *
from debian_root import Root, RootTarget, own_mounts

if os.environ.get("PYMEM_TEST_CORES") != "1":
    skip_all("opt-in: tests/run --cores")
own_mounts()

SUITES = os.environ.get("PYMEM_TEST_CORE_SUITES", "bullseye bookworm trixie sid").split()


class Debian(CoreCase):
    def crashed(self, root, sig):
        """The core that the kernel writes of such a heap in that root."""
        if not kernel_pattern():
            self.skipTest("cores go elsewhere here")
        folder = root.path + "/var/crash"
        shutil.rmtree(folder, True)
        os.makedirs(folder)
        with RootTarget(root, HEAP, preexec_fn=unlimited_core) as target:
            target.tell("import os; os.chdir('/var/crash')")
            os.kill(target.pid, sig)
            self.assertEqual(target.proc.wait(60), -sig)
        name, = os.listdir(folder)
        return os.path.join(folder, name)

    def assert_found(self, root, core, pid=None):
        out, done = self.read(core, "--sysroot", root.path)
        self.assertNotIn(b"not found", done.stdout + done.stderr)
        self.assertRegex(done.stdout, rb"STORE\['sessions'\] -> list -> "
                                      rb"(5,000|4,99\d) Session")
        self.assertIn("worker-x", json.dumps(self.report(out, "threads")))
        self.assert_explained(done)
        return out

    def test_each(self):
        for suite in SUITES:
            with self.subTest(suite=suite), Root(suite) as root:
                with RootTarget(root, HEAP) as target:
                    core, live = self.core_of(target), self.path("live.pymem")
                    done = run_load("-q", "-f", live, target.pid)
                    self.assertEqual(done.returncode, 0, done.stderr)
                print(suite, end=": ")
                self.same(live, self.assert_found(root, core))
                os.unlink(core)
                for sig in (signal.SIGABRT, signal.SIGSEGV):
                    self.assert_found(root, self.crashed(root, sig))


if __name__ == "__main__":
    main()
