# ctest: labels=e2e;slow timeout=14400
# SPDX-License-Identifier: MIT
"""A process in a control group with a limit, of v2 or v1, that fills its memory at 100 MB/s,
100 times each: where its growth ends below the limit no capture ends it; where it doesn't,
a whole snapshot is on the disk before the kernel kills it (95 of 100, else a beginning that
can be read). With and without swap: a file is made where this machine has none. Opt-in:
tests/run --oom."""
import signal

from preloadcase import *

if os.environ.get("PYMEM_TEST_OOM") != "1":
    skip_all("opt-in: tests/run --oom")

ROUNDS = int(os.environ.get("PYMEM_TEST_OOM_ROUNDS", "100"))
LIMIT = 256 << 20
# A share of what Python takes itself is in the rate; a record is 1.4 kB in seven objects.
GROW = """
import os, sys, time
hog, page = [], os.sysconf("SC_PAGESIZE")
statm = open("/proc/self/statm")
def resident():
    statm.seek(0)
    return int(statm.read().split()[1]) * page
base, began, most, told = resident(), time.monotonic(), int(sys.argv[1]), False
def rate():
    return (resident() - base) / 1e6 / (time.monotonic() - began)
while not most or resident() < most:
    for i in range(500):
        hog.append({'a': [i, 2.5 * i], 'n': str(i), 'b': b'x' * (900 + i % 64)})
    if not told and resident() > 160 << 20:
        told = True
        print(rate(), flush=True)
    ahead = (resident() - base) / 100e6 - (time.monotonic() - began)
    if ahead > 0:
        time.sleep(ahead)
for i in range(0, len(hog), 1000):	# what it wrote is as it was
    assert hog[i]['b'] == b'x' * (900 + i % 500 % 64) and hog[i]['n'] == str(i % 500)
"""
# What triggers, and where a growth ends that isn't to end in a kill: beyond the trigger.
TRIGGERS = (({"PYMEM_LIMIT": "80%"}, 225 << 20), ({"PYMEM_PRESSURE": "1"}, 240 << 20))


def swap():
    with open("/proc/swaps") as f:
        return len(f.readlines()) > 1


class Oom(PreloadCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if swap():
            return
        fd, path = tempfile.mkstemp(dir=os.environ.get("PYMEM_TEST_SWAP_FOLDER"))
        cls.addClassCleanup(os.unlink, path)
        with os.fdopen(fd, "wb") as f:	# no holes
            for _ in range(128):
                f.write(bytes(1 << 20))
        if not run(["mkswap", path]).returncode and not run(["swapon", path]).returncode:
            cls.addClassCleanup(run, ["swapoff", path])

    def group(self, swapped):
        group = MemoryGroup(LIMIT)
        self.addCleanup(group.remove)
        if not group.usable:
            self.skipTest("no control group with a memory limit can be made")
        if swapped:
            group.allow_swap(LIMIT // 4)
        return group

    def one(self, python, group, trigger, most):
        """How it ended, and the best of what is left: 'whole', 'partial', 'summary' or
        'nothing'; and its rate."""
        done = run([python.path, "-c", GROW, str(most)], preexec_fn=group.enter,
                   env=self.env("g.pymem", **trigger),
                   timeout=1500)    # with swap it waits for the disk
        left = {"nothing"}  # a second one, of tasks that waited, may have been begun
        for path in self.files("g.pymem*"):
            if path.endswith(".pymem"):
                summary = fact_of(path, "trigger.manner") == "summary"
                left.add("summary" if summary else "whole")     # no whole one, and says so
                if not summary:
                    self.assert_whole(path)
            elif run_view("--no-sidecar", "--report", "types", path).returncode == 3:
                left.add("partial")
            os.unlink(path)
        best = next(kind for kind in ("whole", "partial", "summary", "nothing") if kind in left)
        return (done.returncode, best), float(done.stdout or 0)

    def rounds(self, trigger, most, swapped):
        """What came of it, and how often."""
        python = some_interpreters(1)[0]
        group = self.group(swapped)
        try:
            found, rates = zip(*(self.one(python, group, trigger, most)
                                 for _ in range(ROUNDS)))
        finally:
            group.remove()
        found = collections.Counter(found)
        print("%s, v%d, %s, %s swap, %d rounds at %.0f MB/s: %s" % (
            " ".join("%s=%s" % pair for pair in trigger.items()), 2 - group.v1,
            "ends at %d of %d MiB" % (most >> 20, LIMIT >> 20) if most else "never ends",
            "with" if swapped else "without", ROUNDS, sorted(rates)[len(rates) // 2],
            ", ".join("%d ended with %d, %s" % (n, *what) for what, n in found.items())),
            flush=True)
        return found

    def each(self, ends, check):
        if not swap():
            print("no swap can be had here: not tried with it", flush=True)
        for trigger, end in TRIGGERS:
            for swapped in (False, True) if swap() else (False,):
                with self.subTest(trigger=trigger, swapped=swapped):
                    check(self.rounds(trigger, end if ends else 0, swapped))

    def test_survives_its_own_capture(self):
        def check(found):
            self.assertEqual(sum(n for (status, _), n in found.items() if status), 0)
            self.assertGreaterEqual(found[0, "whole"], 0.95 * ROUNDS)
        self.each(True, check)

    def test_whole_before_the_kill(self):
        def check(found):
            self.assertEqual(sum(n for (status, _), n in found.items()
                                 if status != -signal.SIGKILL), 0)
            self.assertGreaterEqual(found[-signal.SIGKILL, "whole"], 0.95 * ROUNDS)
            self.assertEqual(found[-signal.SIGKILL, "nothing"], 0)
        self.each(False, check)


if __name__ == "__main__":
    main()
