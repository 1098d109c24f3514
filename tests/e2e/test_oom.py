# ctest: labels=e2e;slow timeout=14400
# SPDX-License-Identifier: MIT
"""A process in a control group with a limit, of v2 or v1, that fills its memory at 100 MB/s,
100 times each: where its growth ends below the limit no capture ends it; where it doesn't,
a whole snapshot is on the disk before the kernel kills it (95 of 100, else a beginning that
can be read). With swap where this machine has some. Opt-in: tests/run --oom."""
import signal

from preloadcase import *

if os.environ.get("PYMEM_OOM") != "1":
    skip_all("opt-in: tests/run --oom")

ROUNDS = int(os.environ.get("PYMEM_OOM_ROUNDS", "100"))
LIMIT = 400 << 20
GROW = """
import os, sys, time
hog, began, page = [], time.monotonic(), os.sysconf("SC_PAGESIZE")
statm = open("/proc/self/statm")
def resident():
    statm.seek(0)
    return int(statm.read().split()[1]) * page
base, most = resident(), int(sys.argv[1])
while not most or resident() < most:
    for i in range(2000):
        hog.append({'a': [i, 2.5 * i], 'n': str(i)})
    ahead = (resident() - base) / 100e6 - (time.monotonic() - began)
    if ahead > 0:
        time.sleep(ahead)
print("alive")
"""


def swap():
    with open("/proc/swaps") as f:
        return len(f.readlines()) > 1


class Oom(PreloadCase):
    def group(self, swapped):
        group = MemoryGroup(LIMIT)
        self.addCleanup(group.remove)
        if not group.usable:
            self.skipTest("no control group with a memory limit can be made")
        if swapped:
            group.allow_swap(LIMIT // 4)
        return group

    def one(self, python, group, trigger, most):
        """How it ended, and what is left: 'whole', 'partial' or 'nothing'."""
        done = run([python.path, "-c", GROW, str(most)], preexec_fn=group.enter,
                   env=self.env("g.pymem", **trigger), timeout=300)
        left = "nothing"
        for path in self.files("g.pymem*"):
            if path.endswith(".pymem"):
                self.assert_whole(path)
                left = "whole"
            elif run_view("--no-sidecar", "--report", "types", path).returncode == 3:
                left = "partial"
            os.unlink(path)
        return done.returncode, left

    def rounds(self, trigger, most, swapped):
        """What came of it, and how often."""
        python = some_interpreters(1)[0]
        group = self.group(swapped)
        found = collections.Counter(self.one(python, group, trigger, most)
                                    for _ in range(ROUNDS))
        group.remove()
        print("%s, %s, %s swap, %d rounds: %s" % (
            " ".join("%s=%s" % pair for pair in trigger.items()),
            "ends at %d MiB" % (most >> 20) if most else "never ends",
            "with" if swapped else "without", ROUNDS,
            ", ".join("%d ended with %d, %s" % (n, *what) for what, n in found.items())),
            flush=True)
        return found

    def each(self, most):
        if not swap():
            print("this machine has no swap: not tried with it", flush=True)
        for trigger in ({"PYMEM_LIMIT": "80%"}, {"PYMEM_PRESSURE": "1"}):
            for swapped in (False, True) if swap() else (False,):
                yield trigger, most, swapped

    def test_survives_its_own_capture(self):
        for what in self.each(350 << 20):
            with self.subTest(what):
                found = self.rounds(*what)
                self.assertEqual(sum(n for (status, _), n in found.items() if status), 0)
                self.assertGreaterEqual(found[0, "whole"], 0.95 * ROUNDS)

    def test_whole_before_the_kill(self):
        for what in self.each(0):
            with self.subTest(what):
                found = self.rounds(*what)
                self.assertEqual(sum(n for (status, _), n in found.items()
                                     if status != -signal.SIGKILL), 0)
                self.assertGreaterEqual(found[-signal.SIGKILL, "whole"], 0.95 * ROUNDS)
                self.assertEqual(found[-signal.SIGKILL, "nothing"], 0)


if __name__ == "__main__":
    main()
