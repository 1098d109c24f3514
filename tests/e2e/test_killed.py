# ctest: labels=e2e;ptrace cost=24
# SPDX-License-Identifier: MIT
"""pymem-load is killed: at each step that has a name (loader/base/fault.h), and at any
time; itself, its helper, or both.  The target goes on, and the next capture is clean.

By default at some of the steps and some times; PYMEM_LONG=1: at all, and 2,000 times
(PYMEM_TEST_KILLS=N: so many).  And the target is killed, at any time: one sentence says so."""
import glob
import random
import re

from harness import *
from injection import has_faults

IDLE = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n" \
       "ready()\nserve()\n"
THREADS = r'''
import json, threading, time
errors, shape = [], {"a": [1, 2.5, None], "x": list(range(60))}
def work():
    while True:
        if json.loads(json.dumps(shape)) != shape:
            errors.append("json")
        time.sleep(0.001)
for _ in range(6):
    threading.Thread(target=work, daemon=True).start()
ready()
serve()
'''
KILLS = int(os.environ.get("PYMEM_TEST_KILLS", "2000" if LONG else "10"))
# Ways of capturing that between them come by every step.
WAYS = {"agent": (), "copy": ("--method=external",)}
STEP = re.compile(r'(?:fault_point|helper_point|helper_step)\((?:[^"(]*,\s*)?"([^"]+)"')


def steps():
    """Every name of a step in the sources; a text that isn't whole ends before its %."""
    found = set()
    for path in glob.glob(os.path.join(ROOT, "loader", "*", "*.c")):
        with open(path) as f:
            for name in STEP.findall(f.read().replace("\n", " ")):
                found.add(re.split(r" \(|%", name)[0].strip())
    return sorted(found)


def capture(path, pid, *options):
    p = run_load("-q", "--json", "-f", path, *options, pid)
    return json.loads(p.stdout.decode())["snapshots"][0]


def descendants(pid):
    """Its children and theirs."""
    found = []
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            for child in map(int, f.read().split()):
                found += [child] + descendants(child)
    except OSError:
        pass
    return found


class Killed(Case):
    def begin(self, python, code):
        t = Target(python, code)
        self.addCleanup(t.close)
        for options in WAYS.values():       # what the first of each leaves for good
            began = time.monotonic()
            self.assertEqual(capture(self.path("a"), t.pid, *options)["status"], "complete")
            self.takes = time.monotonic() - began   # here, now
        return t, ProcState(t.pid)

    def next_is_clean(self, t, before, what):
        """The very next one, or (a thread may still be on its way home) the one after."""
        self.assertTrue(t.alive, what)
        for _ in range(40):
            s = capture(self.path("b"), t.pid)
            if s["status"] == "complete" and s["method"] == "agent":
                break
            self.assertTrue(s["status"] == "complete" or re.search(
                "another|earlier|still|busy|traced", s["error"] or ""), (what, s))
            time.sleep(0.05)
        self.assertEqual((s["status"], s["method"]), ("complete", "agent"), (what, s))
        try:
            self.assert_untouched(before, maps=False, timeout=5)
        except AssertionError as e:
            self.fail("%s: %s" % (what, e))
        with open("/proc/%d/maps" % t.pid) as f:
            self.assertNotIn("/memfd:pymem", f.read(), what)


@unittest.skipUnless(has_faults(), "built without PYMEM_FAULTS")
class Steps(Killed):
    def kill_at(self, t, name, word, options):
        """True: it came by that step and died there."""
        env = dict(os.environ, PYMEM_FAULT="%s:%s" % (word, name))
        out = self.path("out")
        os.makedirs(out, exist_ok=True)
        p = subprocess.run([LOAD, "-q", "-f", os.path.join(out, "s"), *options, str(t.pid)],
                           env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, timeout=600)
        if word == "kill-helper":       # the loader outlives it: and says so, or is done
            hit = b"ended unexpectedly" in p.stderr
            self.assertGreaterEqual(p.returncode, 0, (name, p.stderr))
        else:
            hit = p.returncode == -signal.SIGKILL
        left = [f for f in os.listdir(out) if f != "s"]
        if name != "named":     # between its two names a file has both
            self.assertEqual(left, [], name)
        shutil.rmtree(out)
        return hit

    def sweep(self, python, code, words):
        names, missed = steps(), {}
        self.assertGreater(len(names), 40, names)
        if not LONG:
            names = sorted(random.Random(5).sample(names, 12))
        t, before = self.begin(python, code)
        for word in words:
            missed[word] = set(names)
            for name in names:
                for options in WAYS.values():
                    if self.kill_at(t, name, word, options):
                        missed[word].discard(name)
                        self.next_is_clean(t, before, "%s at %r" % (word, name))
                        if not LONG:
                            break
            print("  %s: %d of %d steps" % (word, len(names) - len(missed[word]), len(names)))
        return missed

    # Those that a capture comes by only when something else went wrong before.
    RARE = {"start the kept agent", "unmap the worker's stack", "look at thread"}

    def test_both(self):
        found = some_interpreters() if TORTURE else interpreters()[-1:]
        for python in found:
            with self.subTest(python=python.name):
                missed = self.sweep(python, IDLE, ("kill",))
                self.assertLessEqual(missed["kill"], self.RARE)

    @unittest.skipUnless(LONG, "both at once stand for each")
    def test_each_alone(self):
        for code in (IDLE, CHECKED_BUSY):
            self.sweep(interpreters()[-1], code, ("kill-loader", "kill-helper", "kill"))


class AnyTime(Killed):
    """One after the other, whatever the last one was at."""

    def test_random_times(self):
        chance = random.Random(12)
        found = some_interpreters()
        cases = [(p, code) for p in (found if LONG else found[-1:])
                 for code in ((CHECKED_BUSY, THREADS) if LONG else (THREADS,))]
        runs = max(KILLS // len(cases), 1)
        for python, code in cases:
            with self.subTest(python=python.name):
                t, before = self.begin(python, code)
                for i in range(runs):
                    self.kill_once(t, chance)
                    if i % 10 == 9:
                        self.next_is_clean(t, before, "kill %d" % i)
                self.next_is_clean(t, before, "the last")
                self.assertEqual(t.ask("errors"), [])
                print("  killed %d times: %s" % (runs, python.name), flush=True)

    def kill_once(self, t, chance):
        how = chance.choice(((), (), ("--method=external",), ("--no-fork",)))
        p = subprocess.Popen([LOAD, "-q", "-f", self.path("a"), *how, str(t.pid)],
                             stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(chance.random() * 1.2 * self.takes)
        mine = descendants(p.pid)
        victims = {"warden": [p.pid], "loader": mine[:1], "helper": mine[1:],
                   "all": [p.pid] + mine}[chance.choice(("warden", "loader", "helper", "all"))]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        p.wait(60)
        self.assertTrue(t.alive)

    def test_target_at_random_times(self):
        """What is there of it is a beginning or nothing, and one sentence says why; its
        copy goes with it, and nothing of ours waits on."""
        chance = random.Random(13)
        found = some_interpreters()
        ends = {"complete": 0, "partial": 0, "failed": 0}
        self.begin(found[-1], THREADS)
        takes = self.takes
        for i in range(KILLS if LONG else 4):
            how = chance.choice(((), (), ("--method=external",), ("--no-fork",)))
            code = chance.choice((CHECKED_BUSY, THREADS))
            with self.subTest(kill=i, how=how), Target(found[i % len(found)], code) as t:
                out = self.path("out")
                os.makedirs(out)
                p = subprocess.Popen(
                    [LOAD, "-q", "--json", "-f", os.path.join(out, "s"), *how, str(t.pid)],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                time.sleep(chance.random() * 1.2 * takes)
                t.proc.kill()
                copies = descendants(t.pid)
                said, words = p.communicate(timeout=600)
                s = json.loads(said)["snapshots"][0]
                ends[s["status"]] += 1
                self.assertLessEqual(len(words.splitlines()), 1, words)
                if s["status"] != "complete":
                    self.assertRegex(s["error"], r"\w+ \w+", s)
                self.assertLessEqual(set(os.listdir(out)), {"s"})
                t.proc.wait(60)
                for pid in copies:
                    wait_for(lambda: not os.path.exists("/proc/%d" % pid), what="its copy's end")
                shutil.rmtree(out)
        print("  targets killed: %s" % ends, flush=True)


if __name__ == "__main__":
    main()
