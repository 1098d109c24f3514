# ctest: labels=e2e;ptrace;slow timeout=3600
# SPDX-License-Identifier: MIT
"""Captures of a CPython that is built with musl, in a root that looks like Alpine's: by
both methods, while threads run, again and again, preloaded.  musl unloads nothing: what
stays is there once, and serves the next capture.  Opt-in: tests/run --musl, which builds
it (PYMEM_TEST_MUSL_ROOT: its root), and a static pymem-load of musl's (PYMEM_TEST_MUSL_LOADER)."""
import collections
import re

import test_arm64
from debian_root import *

if not os.environ.get("PYMEM_TEST_MUSL_ROOT"):
    skip_all("opt-in: tests/run --musl")
own_mounts()

PYTHON = "/usr/local/bin/python3.13"
ROUNDS = 200 if os.environ.get("PYMEM_LONG") == "1" else 20
CODE = r'''
import gc, threading
class Foo:
    def __init__(self, i):
        self.number, self.name = i, "foo-%d" % i
class Slotted:
    __slots__ = ("a", "b")
class Bag(dict):
    pass
keep, slots, wrong = [Foo(i) for i in range(1000)], [], []
for i in range(100):
    s = Slotted(); s.a = i * 1000003; s.b = "b%d" % i; slots.append(s)
bags = [Bag(x=i) for i in range(10)]
count, stop = [0] * 3, threading.Event()
def work(i):
    while not stop.wait(0.002):
        n = count[i]
        if sum([[x, [x]][0] for x in range(n % 300)]) != n % 300 * (n % 300 - 1) // 2:
            wrong.append(n)
        count[i] = n + 1
for i in range(3):
    threading.Thread(target=work, args=(i,), name="worker-%d" % i, daemon=True).start()
def answers():
    """Of what the collector tracks and what it refers to: type and size, by address."""
    todo, out = gc.get_objects(), {}
    while todo:
        o = todo.pop()
        if str(id(o)) not in out and o is not out and o is not todo:
            t = type(o)
            out[str(id(o))] = [t.__module__ + "." + t.__qualname__, sys.getsizeof(o)]
            todo.extend(gc.get_referents(o))
    return out
ready()
serve()
'''


class Musl(Case):
    def setUp(self):
        super().setUp()
        self.root = Root(os.path.abspath(os.environ["PYMEM_TEST_MUSL_ROOT"]))
        self.root.__enter__()
        self.addCleanup(self.root.__exit__)

    def target(self, **more):
        return RootTarget(self.root, CODE, PYTHON, **more)

    def capture(self, target, method):
        file = self.path("%s-%d.pymem" % (method, len(os.listdir(self.tmp))))
        done = run_load("-q", "--method", method, "-f", file, target.pid)
        self.assertEqual(0, done.returncode, done.stderr.decode())
        return file

    def report(self, file, name):
        done = run([VIEW, "--no-sidecar", file, "--report", name, "--format", "json"])
        self.assertEqual(0, done.returncode, done.stderr.decode())
        return json.loads(done.stdout)["processes"][0]["rows"]

    def objects(self, file):
        done = run([VIEW, "--no-sidecar", file, "--export", "jsonl", "-o", "-"])
        self.assertEqual(0, done.returncode, done.stderr.decode())
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return {row["address"]: row for row in rows if "address" in row and "refs" in row}

    def assert_goes_on(self, target):
        counts = target.ask("list(count)")
        wait_for(lambda: all(a < b for a, b in zip(counts, target.ask("list(count)"))))
        self.assertEqual([], target.ask("wrong"))

    @staticmethod
    def agents(pid):
        """How often the agent is mapped: its first pages."""
        with open("/proc/%d/maps" % pid) as f:
            return [line for line in f if re.search(r"pymem", line) and
                    line.split()[2] == "00000000"]

    def test_both_methods(self):
        for method in ("agent", "external"):
            with self.subTest(method=method), self.target() as target:
                if method == "agent":  # what stays comes with the first capture
                    self.capture(target, method)
                before = ProcState(target.pid)
                file = self.capture(target, method)
                self.assert_untouched(before)
                objects, answers = self.objects(file), target.ask("answers()")
                names = collections.Counter(o["type"] for o in objects.values())
                self.assertEqual([1000, 100, 10], [names["__main__." + n]
                                                   for n in ("Foo", "Slotted", "Bag")])
                known = {a: objects[int(a)] for a in answers if int(a) in objects}
                # what answers() makes itself is new
                self.assertLess(len(answers) - len(known), 400 + len(answers) // 100)
                wrong = [(a, answers[a], o["size"]) for a, o in known.items()
                         if o["type"] == answers[a][0] and o["size"] != answers[a][1]]
                self.assertLess(len(wrong), 20, wrong[:20])
                overview = self.report(file, "overview")[0]
                self.assertTrue(overview["complete"], overview)
                self.assertTrue(overview["self_check"].startswith("passed"), overview)
                self.assertGreater(overview["explained_share"], 0.99)
                self.assertEqual(0, overview["sizes_mismatched"])
                threads = json.dumps(self.report(file, "threads"))
                for i in range(3):
                    self.assertIn("worker-%d" % i, threads)
                self.assert_goes_on(target)

    def test_what_stays_serves_again(self):
        with self.target() as target:
            first = run_load("-f", self.path("1.pymem"), target.pid)
            self.assertEqual(0, first.returncode, first.stderr.decode())
            self.assertIn("serves the next capture", (first.stdout + first.stderr).decode())
            before, threads = self.agents(target.pid), len(ProcState(target.pid).tids)
            for _ in range(5):
                self.capture(target, "agent")
            self.assertEqual(before, self.agents(target.pid))
            self.assertEqual(threads, len(ProcState(target.pid).tids))
            self.assert_goes_on(target)

    def test_preloaded(self):
        shutil.copy(AGENT, self.root.path + "/agent.so")
        os.mkdir(self.root.path + "/snapshots")
        env = dict(os.environ, LD_PRELOAD="/agent.so", PYMEM_OUTPUT="/snapshots/%p-%t.pymem",
                   PYMEM_SIGNAL="USR2")
        with self.target(env=env) as target:
            os.kill(target.pid, signal.SIGUSR2)
            folder = self.root.path + "/snapshots"
            wait_for(lambda: any(n.endswith(".pymem") for n in os.listdir(folder)))
            file = os.path.join(folder, [n for n in os.listdir(folder)
                                         if n.endswith(".pymem")][0])
            overview = self.report(file, "overview")[0]
            self.assertTrue(overview["complete"], overview)
            self.assert_goes_on(target)

    def test_static_loader(self):
        """One file with the agent inside, that needs no C library: there, and outside."""
        loader = os.environ["PYMEM_TEST_MUSL_LOADER"]
        self.assertLess(os.path.getsize(loader), 3 << 20)
        shutil.copy(loader, self.root.path + "/load")
        with self.target() as there, Target(interpreters()[-1].path, CODE) as outside:
            for method in ("agent", "external"):
                for target, name, command in (
                        (there, self.root.path + "/tmp/a.pymem",
                         ["chroot", self.root.path, "/load", "-f", "/tmp/a.pymem"]),
                        (outside, self.path("b.pymem"), [loader, "-f", self.path("b.pymem")])):
                    with self.subTest(method=method, command=command[0]):
                        done = run(command + ["-q", "--method", method, str(target.pid)])
                        self.assertEqual(0, done.returncode, done.stderr.decode())
                        rows = self.report(name, "overview")
                        self.assertTrue(rows[0]["complete"], rows)
                        self.assert_goes_on(target)

    def test_loader_for_aarch64(self):
        """Made here around an agent for that processor; starts under qemu's emulation of
        single programs, which knows no ptrace, and refuses this processor's processes."""
        emulated = test_arm64.Arm64()
        emulated.qemu, emulated.sysroot = shutil.which("qemu-aarch64-static"), "/"
        if not shutil.which("aarch64-linux-gnu-gcc") or not emulated.qemu:
            self.skipTest("no gcc-aarch64-linux-gnu, or no qemu-user")
        build = os.path.join(BUILD, "musl-arm64")
        for command in (
                ["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DBUILD_TESTING=OFF",
                 "--toolchain", ROOT + "/.ci/aarch64.cmake",
                 "-DPYMEM_SYSROOT=" + emulated.make_sysroot()],
                ["ninja", "-C", build, "pymemagent"],
                [ROOT + "/.ci/musl_loader", build + "/lib/libpymemagent.so", build + "/loader"]):
            done = run(command, timeout=3000)
            self.assertEqual(0, done.returncode, (done.stdout + done.stderr).decode()[-3000:])
        loader = done.stdout.decode().strip()
        self.assertLess(os.path.getsize(loader), 3 << 20)
        with open(loader, "rb") as f:
            self.assertEqual(183, int.from_bytes(f.read(20)[18:], "little"))    # EM_AARCH64
        self.assertEqual(0, emulated.emulated(loader, "--version").returncode)
        with self.target() as target:
            done = emulated.emulated(loader, "-f", self.path("s"), target.pid)
            self.assertNotEqual(0, done.returncode)
            self.assertRegex(done.stdout.decode(), "an x86-64 pymem-load is needed")
            self.assert_goes_on(target)

    def test_again_and_again(self):
        with self.target() as target:
            for i in range(ROUNDS):
                done = run_load("-q", "--method", ("agent", "external")[i % 3 == 2], "-f",
                                self.path("again.pymem"), target.pid)
                self.assertEqual(0, done.returncode, (i, done.stderr.decode()))
            self.assert_goes_on(target)


if __name__ == "__main__":
    main()
