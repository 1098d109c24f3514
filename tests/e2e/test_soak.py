# ctest: labels=e2e;ptrace;slow timeout=86000 cost=38
# SPDX-License-Identifier: MIT
"""In and out again, very often, in processes of several kinds: nothing stays in them.

Mappings, descriptors, threads and children are those of the beginning, resident memory is
flat, what the process computes is right; and how often a capture was made is told.
By default some cycles; PYMEM_LONG=1: 2,000; PYMEM_TORTURE=1: 100,000 (PYMEM_TEST_SOAK=N: N), of
which one in fifty with the whole of pymem-load, the rest with the injection alone."""
from harness import *
from injection import *

CYCLES = int(os.environ.get("PYMEM_TEST_SOAK") or
             (100000 if TORTURE else 2000 if LONG else 60))
WHOLE = 50 if CYCLES > 2000 else 20 if CYCLES > 100 else 4     # one in so many is whole
BATCH = 200

WORK = r'''
import json, os, select, threading, time
shape = {"a": [1, 2.5, None, {"b": "c" * 40}], "x": list(range(60))}
errors, stop = [], []
def work(rounds=1):
    for _ in range(rounds):
        if json.loads(json.dumps(shape)) != shape:
            errors.append("json")
        if b"".join(str(i).encode() for i in range(100)).decode().count("1") != 20:
            errors.append("bytes")
def threads(n, pause):
    def loop():
        while not stop:
            work()
            time.sleep(pause)
    for _ in range(n):
        threading.Thread(target=loop, daemon=True).start()
'''
KINDS = {
    "idle": WORK + "ready()\nserve()\n",
    "busy": WORK + "ready()\nwhile not select.select([_r], [], [], 0)[0]:\n    work()\n"
                   "serve()\n",
    "threads": WORK + "threads(20, 0.01)\nready()\nserve()\n",
    "children": WORK + r'''
import subprocess
def children():
    while not stop:
        pid = os.fork()
        if not pid:
            os._exit(7)
        if os.waitpid(pid, 0) != (pid, 7 << 8):
            errors.append("fork")
        time.sleep(0.002)
threading.Thread(target=children, daemon=True).start()
ready()
serve()
''',
    "signals": WORK + r'''
import signal
ticks = [0]
signal.signal(signal.SIGALRM, lambda *a: ticks.__setitem__(0, ticks[0] + 1))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
ready()
while not select.select([_r], [], [], 0.001)[0]:
    work()
serve()
''',
    "loop": WORK + r'''
import asyncio
async def beat(i):
    while not stop:
        await asyncio.sleep(0.002 * (i % 5))
        work()
async def main():
    await asyncio.gather(*(beat(i) for i in range(10)))
def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main())
threading.Thread(target=run, daemon=True).start()
ready()
serve()
''',
    "extensions": WORK + r'''
import ctypes, sqlite3, zlib
base = sqlite3.connect(":memory:", check_same_thread=False)
base.execute("create table t (x)")
def loop():
    while not stop:
        base.execute("insert into t values (?)", ("x" * 100,))
        if zlib.decompress(zlib.compress(b"y" * 5000)) != b"y" * 5000:
            errors.append("zlib")
        base.execute("delete from t")
        time.sleep(0.002)
threading.Thread(target=loop, daemon=True).start()
ready()
serve()
''',
}


def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) << 10


class Soak(Case):
    def cycles(self, t, runs):
        """(captured, refused, whole captures): runs of the injection, and some whole."""
        captured, refused, whole = 0, 0, 0
        for done in range(0, runs, BATCH):
            n = min(BATCH, runs - done)
            few = max(n // WHOLE, 1)
            _, results, log = drive(t.pid, "-n", n - few, timeout=3600)
            self.assertEqual(len(results), n - few, log[-2000:])
            for r in results:
                captured += good(r)
                refused += not good(r) and r["code"] in (6, 7)
                self.assertTrue(good(r) or r["code"] in (6, 7), r)
            for _ in range(few):
                p = run_load("-q", "--json", "-f", self.path("s"), t.pid)
                s = json.loads(p.stdout.decode())["snapshots"][0]
                self.assertEqual(s["status"], "complete", s)
                whole += 1
            self.assertTrue(t.alive)
        return captured, refused, whole

    def soak(self, name, python, runs):
        with Target(python, KINDS[name]) as t:
            self.cycles(t, min(runs, 8))        # what the first ones leave for good
            before, rss = ProcState(t.pid), resident(t.pid)
            captured, refused, whole = self.cycles(t, runs)
            self.assertEqual(t.ask("errors"), [])
            grown = resident(t.pid) - rss
            total = captured + refused + whole
            print("  %-11s %s: %d cycles, %d captured (%.2f %%), %d found no safe point in "
                  "time, %d of them whole; resident %+d KiB" % (
                      name, python.name.split("/versions/")[-1], total, captured + whole,
                      100 * (captured + whole) / total, refused, whole, grown >> 10), flush=True)
            # a few bytes a cycle would be thousands of pages in the end
            self.assertLess(grown, (1 << 20) + 64 * runs)
            if total >= 200:        # of fewer, one that found no safe point is too many
                self.assertGreaterEqual(captured + whole, 0.99 * total)
            self.assertGreater(captured, 0)
            t.tell("stop.append(1)")
            wait_for(lambda: not before.differences(ProcState(t.pid), maps=False) or
                     name in ("threads", "loop", "children", "extensions"), 10,
                     "threads, descriptors, children and signals as before")
            self.flat(before, t)

    def flat(self, before, t):
        """No mapping more than a handful: arenas of the application come and go."""
        after = ProcState(t.pid)
        self.assertLess(abs(len(after.maps) - len(before.maps)), 24 + 2 * len(before.tids))
        self.assertFalse([m for m in after.maps if "memfd:pymem" in m[2]])
        wait_for(lambda: ProcState(t.pid).fds == before.fds, what="its descriptors")

    def test_kinds(self):
        found = some_interpreters()
        for i, name in enumerate(KINDS):
            python = found[i % len(found)]
            if python.free_threaded:
                python = interpreters()[0]
            with self.subTest(kind=name, python=python.name):
                self.soak(name, python, max(CYCLES // len(KINDS), 4))


if __name__ == "__main__":
    main()
