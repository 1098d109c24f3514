# ctest: labels=e2e cost=35
# SPDX-License-Identifier: MIT
"""pymem-load with an agent that the process carries itself (LD_PRELOAD and
PYMEM_CONTROL): no ptrace, nobody is stopped."""
import json
import os
import shutil

from harness import *

CODE = """
import ctypes
X = ["own agent %d" % i for i in range(1000)]
if len(sys.argv) > 1:
    assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0   # PR_SET_DUMPABLE
ready()
serve()
"""
NOBODY = 65534


class Control(Case):
    def target(self, python, args=(), prefix=()):
        folder = self.path("control")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        env = dict(os.environ, LD_PRELOAD=AGENT, PYMEM_CONTROL=folder)
        return Target(python, CODE, args, env=env, prefix=prefix), folder

    def wait_socket(self, folder, pid):
        wait_for(lambda: os.path.exists(os.path.join(folder, "%d.sock" % pid)), what="the socket")

    def test_every_interpreter(self):
        for python in interpreters():
            with self.subTest(python=python.name):
                target, folder = self.target(python)
                with target as t:
                    self.wait_socket(folder, t.pid)
                    for i in range(3):
                        if i == 1:	# the first one's thread leaves its stack for the next
                            before = ProcState(t.pid)
                        done = run_load("--json", "-f", "c.pymem", t.pid, cwd=self.tmp)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        (snap,) = json.loads(done.stdout)["snapshots"]
                        self.assertEqual(snap["status"], "complete")
                        self.assertTrue(snap["preloaded"])
                        self.assertEqual(snap["stopped_ns"], 0)
                        self.assertGreater(snap["objects"], 2000)
                    self.assert_untouched(before)

    def test_where_ptrace_is_forbidden(self):
        if os.geteuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("needs root and setpriv, to become somebody else")
        if not os.access("/usr/bin/python3", os.X_OK):
            self.skipTest("no interpreter that any user may run")
        if not _anybody_reads(AGENT) or not _anybody_reads(LOAD):
            self.skipTest("the build folder can't be read by other users")
        nobody = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        os.chmod(self.tmp, 0o777)
        os.makedirs(self.path("control"), mode=0o700)
        os.chown(self.path("control"), NOBODY, NOBODY)
        target, folder = self.target("/usr/bin/python3", ["undumpable"], nobody)
        with target as t:
            self.wait_socket(folder, t.pid)
            load = nobody + [LOAD, "--json", "-f", self.path("d.pymem"), str(t.pid)]
            refused = run(load, cwd=self.tmp)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            done = run(load, cwd=self.tmp, env=dict(os.environ, PYMEM_CONTROL=folder))
            self.assertEqual(done.returncode, 0, done.stderr)
            (snap,) = json.loads(done.stdout)["snapshots"]
            self.assertEqual((snap["status"], snap["preloaded"]), ("complete", True))

    def test_another_process_behind_the_socket(self):
        python = interpreters()[-1]
        target, folder = self.target(python)
        with target as real, Target(python, CODE) as other:
            self.wait_socket(folder, real.pid)
            os.rename(os.path.join(folder, "%d.sock" % real.pid),
                      os.path.join(folder, "%d.sock" % other.pid))
            before = ProcState(other.pid)
            done = run_load("--json", "-f", "e.pymem", other.pid, cwd=self.tmp,
                            env=dict(os.environ, PYMEM_CONTROL=folder))
            self.assertEqual(done.returncode, 0, done.stderr)
            (snap,) = json.loads(done.stdout)["snapshots"]
            self.assertFalse(snap["preloaded"], "the wrong process was believed")
            self.assert_untouched(before)


def _anybody_reads(path):
    while path != "/":
        if not os.stat(path).st_mode & 0o005:
            return False
        path = os.path.dirname(path)
    return True


if __name__ == "__main__":
    main()
