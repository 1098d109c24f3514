# ctest: labels=e2e;ptrace
# SPDX-License-Identifier: MIT
"""A free-threaded CPython (3.13t and later) is refused by name, in one sentence with
what to do, whatever way a snapshot is asked for, and not touched."""
from harness import *

found = [p for p in interpreters() if p.free_threaded]
if not found:
    skip_all("no free-threaded interpreter here (PYMEM_TEST_PYTHONS names more)")

CODE = r'''
import threading, time
heap = [{"n": i} for i in range(1000)]
count = [0, 0]
def work(i):
    while True:
        count[i] += 1
for i in range(2):
    threading.Thread(target=work, args=(i,), daemon=True).start()
ready()
serve()
'''


class FreeThreaded(Case):
    def refused(self, text):
        lines = [l for l in text.decode().splitlines() if "free-threaded" in l]
        self.assertEqual(1, len(lines), text)
        self.assertRegex(lines[0], r"ordinary build \(python3\.\d+, not python3\.\d+t\)")

    def test_refused_and_untouched(self):
        for python in found:
            with self.subTest(python=python.name), Target(python, CODE) as target:
                before = ProcState(target.pid)
                for how in ([], ["--no-fork"], ["--method=external"], ["--dry-run"],
                            ["--every", "1s", "--count", "2"]):
                    done = run_load("-f", self.path("x.pymem"), *how, target.pid)
                    self.assertNotEqual(0, done.returncode, how)
                    self.refused(done.stderr)
                    self.assertFalse(os.path.exists(self.path("x.pymem")))
                    self.assert_untouched(before)
                counts = target.ask("list(count)")
                wait_for(lambda: all(a < b for a, b in zip(counts, target.ask("list(count)"))))

    def test_preloaded(self):
        """The program runs as if there were no agent, which says once why it does nothing."""
        for python in found:
            with self.subTest(python=python.name):
                env = dict(os.environ, LD_PRELOAD=AGENT, PYMEM_AT_EXIT="1",
                           PYMEM_INTERVAL="100ms", PYMEM_OUTPUT=self.path("%p.pymem"))
                code = "import time, gc; time.sleep(0.5); print(len(gc.get_objects()) > 100)"
                done = run([python.path, "-c", code], env=env)
                self.assertEqual((0, b"True\n"), (done.returncode, done.stdout), done.stderr)
                self.refused(done.stderr)
                done = run([LOAD, "-f", self.path("y.pymem"), "--", python.path, "-c", code])
                self.assertIn(b"True\n", done.stdout)
                self.refused(done.stderr)
                self.assertEqual([], [f for f in os.listdir(self.tmp) if "pymem" in f])


if __name__ == "__main__":
    main()
