# ctest: labels=e2e;ptrace timeout=3600
# SPDX-License-Identifier: MIT
"""Captures of free-threaded CPythons (3.13t and later) while their threads run: all
objects, whole containers, true sizes; the threads go on.  What can't be done there is
refused by name.  tests/run --nogil builds the interpreters."""
import collections

from harness import *

found = [p for p in interpreters() if p.free_threaded]
if not found:
    skip_all("no free-threaded interpreter here (tests/run --nogil builds them)")

CODE = r'''
import gc, threading
class Node:
    def __init__(self, i):
        self.number, self.name = i, "node-%d" % i
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self, i):
        self.a, self.b = i, [i]
class Dead:
    pass
nodes = [Node(i) for i in range(3000)]
slots = [Slotted(i) for i in range(2000)]
count, pairs, left = [0] * 4, [{} for _ in range(4)], []
stop = False
def work(i):
    mine, table = [], pairs[i]
    while not stop:
        n = count[i]
        mine.append((n, [n]))
        table[n % 500] = {"n": n, "twin": [n, n]}
        if len(mine) > 1000:
            mine.clear()
        count[i] = n + 1
def leave():
    local = [Dead() for _ in range(500)]
    left.extend(local)              # a thread that ended: its pages are nobody's
t = threading.Thread(target=leave); t.start(); t.join()
for i in range(4):
    threading.Thread(target=work, args=(i,), name="worker-%d" % i, daemon=True).start()
floats = [i * 1.5 for i in range(4000)]
ready()
serve()
'''

# Threads wait; answers what a snapshot must say of all objects.
QUIET = CODE.replace('while not stop:', 'for _ in range(3000):') + r'''
'''
ANSWER = ("(lambda o: {'%d' % id(x): [type(x).__module__ + '.' + type(x).__qualname__,"
          " sys.getsizeof(x)] for x in o})([x for x in gc.get_objects()"
          " if type(x).__name__ in ('Node', 'Slotted', 'Dead', 'dict', 'list', 'tuple')])")


class FreeThreaded(Case):
    def capture(self, target, *options):
        file = self.path("s%d.pymem" % len(os.listdir(self.tmp)))
        done = run_load("-q", "-f", file, *options, target.pid)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        return file

    def jsonl(self, file):
        done = run([VIEW, file, "--export", "jsonl", "-o", "-"])
        self.assertEqual(0, done.returncode, done.stderr)
        lines = [json.loads(l) for l in done.stdout.splitlines()]
        return lines[0]["process"], {o["address"]: o for o in lines[1:] if "address" in o}

    def assert_goes_on(self, target):
        counts = target.ask("list(count)")
        wait_for(lambda: all(a < b for a, b in zip(counts, target.ask("list(count)"))))

    def test_while_threads_run(self):
        """Counts of what doesn't change are exact; what changes is whole."""
        for python in found:
            with self.subTest(python=python.name), Target(python, CODE) as target:
                before = ProcState(target.pid)
                process, objects = self.jsonl(self.capture(target))
                self.assert_untouched(before)
                self.assert_goes_on(target)
                types = collections.Counter(o["type"] for o in objects.values())
                self.assertEqual((3000, 2000, 500), tuple(
                    types["__main__." + t] for t in ("Node", "Slotted", "Dead")))
                self.assertGreaterEqual(types["builtins.float"], 4000)
                facts = process["facts"]
                self.assertEqual("none", facts["gil"])
                counted = int(facts.get("references.counted", 0))
                names = collections.Counter(
                    objects[r["to"]]["type"] for o in objects.values()
                    if o["type"] == "__main__.Node" for r in o["refs"] if r["to"] in objects)
                self.assertGreaterEqual(names["builtins.str"], 3000)

    def test_threads_and_frames(self):
        for python in found:
            with self.subTest(python=python.name), Target(python, CODE) as target:
                file = self.capture(target)
                done = run([VIEW, file, "--report", "threads", "--format", "json"])
                text = done.stdout.decode()
                for i in range(4):
                    self.assertIn("worker-%d" % i, text)
                self.assertIn('"work"', text)
                self.assertIn("mine", text)

    def test_sizes(self):
        """What sys.getsizeof says, of all that the collector knows."""
        for python in found:
            with self.subTest(python=python.name), Target(python, QUIET) as target:
                wait_for(lambda: target.ask("threading.active_count()") == 1)
                said = target.ask(ANSWER)
                _, objects = self.jsonl(self.capture(target))
                wrong = [(a, s, objects.get(int(a))) for a, s in said.items()
                         if s[0].startswith("__main__") and
                         (int(a) not in objects or
                          [objects[int(a)]["type"], objects[int(a)]["size"]] != s)]
                self.assertEqual([], wrong[:5], len(wrong))
                lost = [s for a, s in said.items() if int(a) not in objects]
                self.assertLess(len(lost), 30, lost[:20])

    def test_self_check(self):
        for python in found:
            with self.subTest(python=python.name), Target(python, CODE) as target:
                file = self.capture(target)
                done = run([VIEW, file, "--report", "overview", "--format", "json"])
                row = json.loads(done.stdout)["processes"][0]["rows"][0]
                self.assertGreater(row["references_explained"],
                                   0.99 * row["references_counted"])

    def test_in_place_and_again(self):
        for python in found:
            with self.subTest(python=python.name), Target(python, CODE) as target:
                before = ProcState(target.pid)
                for how in (["--no-fork"], ["--no-values"], ["--method=external"]):
                    _, objects = self.jsonl(self.capture(target, *how))
                    types = collections.Counter(o["type"] for o in objects.values())
                    self.assertEqual(3000, types["__main__.Node"], how)
                self.assert_untouched(before)
                self.assert_goes_on(target)

    def test_thread_that_cannot_be_stopped(self):
        """It computes in C code, attached: nothing is stopped for it, and that is said."""
        code = CODE + "hold_gil(); serve()\n"
        code = code.replace("ready()\nserve()", "ready()\nimport ctypes")
        for python in found:
            if run([python.path, "-c", "import ctypes"]).returncode:
                continue
            with self.subTest(python=python.name), Target(python, code) as target:
                target.await_call("poll")
                done = run_load("-f", self.path("x.pymem"), "--method=agent",
                                "--gil-timeout", "0.5", target.pid)
                self.assertEqual(1, done.returncode, done.stderr)
                self.assertIn(b"without a chance to stop it", done.stderr)
                self.assert_goes_on(target)

    def test_while_threads_collect(self):
        """A collection stops all threads, also the one of ours that would stop them: it
        gives way, or both would wait for each other until --gil-timeout is over."""
        code = CODE.replace("floats =", "def collect():\n"
                            "    while True:\n"
                            "        gc.collect(); count[0] += 1\n"
                            "for i in range(2):\n"
                            "    threading.Thread(target=collect, daemon=True).start()\n"
                            "floats =")
        for python in found:
            with self.subTest(python=python.name), Target(python, code) as target:
                before = ProcState(target.pid)
                for how in (["--no-fork"], [], ["--no-fork", "--no-values"]):
                    file = self.capture(target, "--method=agent", "--gil-timeout", "100",
                                        *how)
                    _, objects = self.jsonl(file)
                    types = collections.Counter(o["type"] for o in objects.values())
                    self.assertEqual(3000, types["__main__.Node"], how)
                self.assert_untouched(before)
                self.assert_goes_on(target)

    def test_preloaded(self):
        for python in found:
            with self.subTest(python=python.name):
                env = dict(os.environ, LD_PRELOAD=AGENT, PYMEM_AT_EXIT="1",
                           PYMEM_OUTPUT=self.path("exit-%p.pymem"))
                code = "class Kept: pass\nkeep = [Kept() for _ in range(77)]"
                done = run([python.path, "-c", code], env=env)
                self.assertEqual((0, b""), (done.returncode, done.stderr))
                files = [f for f in os.listdir(self.tmp) if f.startswith("exit-")]
                self.assertEqual(1, len(files))
                _, objects = self.jsonl(self.path(files[0]))
                self.assertEqual(77, sum(o["type"] == "__main__.Kept"
                                         for o in objects.values()))
                os.unlink(self.path(files[0]))


if __name__ == "__main__":
    main()
