# SPDX-License-Identifier: MIT
"""What the tests of core files have in common: a heap, cores of it, and a comparison of
the snapshots of a core and of the living process."""
import collections
import re
import resource

from harness import *

HEAP = r'''
import collections, decimal, functools, threading
class Session:
    def __init__(self, n):
        self.number = n; self.name = "session-%d" % n; self.data = {"k": [n, n + 1.5]}
class Slotted:
    __slots__ = ("a", "b")
    def __init__(self, n): self.a = str(n); self.b = (n,)
STORE = {"sessions": [Session(n) for n in range(5000)]}
slotted = [Slotted(n) for n in range(2000)]
queue = collections.deque(range(3000, 4000))
ordered = collections.OrderedDict((str(n), [n]) for n in range(500))
sums = [decimal.Decimal(n) for n in range(300)]
@functools.lru_cache(None)
def cached(n): return [n]
for n in range(5000, 5300): cached(n)
def generate():
    inside = [1, 2, 3]
    yield inside
generator = generate(); next(generator)
gate = threading.Event()
def work():
    thread_local_name = {"in": "thread"}
    gate.wait()
threading.Thread(target=work, daemon=True, name="worker-x").start()
def serving():
    held_by_main = ["local"] * 100
    ready()
    serve()
serving()
'''

# References that only tp_traverse tells and no word of the instance holds: what the state
# of an extension module refers to lies outside of it; the cache of a function that was
# never called (3.6) is made by the question.
UNTOLD = {"builtins.module", "functools._lru_cache_wrapper"}


def unlimited_core():
    """For a child: the kernel may write a core."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_CORE, unlimited)


def kernel_pattern():
    """The name of the cores that the kernel leaves where a process is; None: elsewhere."""
    with open("/proc/sys/kernel/core_pattern") as f:
        pattern = f.read().strip()
    return pattern if pattern in ("core", "core.%p") else None


def text_of(path):
    """"" where it is gone."""
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def descendants(pid):
    for child in text_of("/proc/%d/task/%d/children" % (pid, pid)).split():
        yield int(child)
        yield from descendants(int(child))


def refs_of(row):
    return collections.Counter(r["to"] for r in row["refs"])


class CoreCase(Case):
    def core_of(self, target):
        if not shutil.which("gcore"):
            self.skipTest("gdb, whose gcore makes cores, is not here")
        where = self.path("core")
        done = subprocess.run(["gcore", "-o", where, str(target.pid)], timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        path = "%s.%d" % (where, target.pid)
        if done.returncode or not os.path.exists(path):
            self.skipTest("gcore can't: %r" % done.stdout[-200:])
        return path

    def report(self, path, name, *options):
        done = run_view("--no-sidecar", "--report", name, "--format", "json", "--all",
                        *options, path)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return json.loads(done.stdout)["processes"][0]["rows"]

    def read(self, core, *options, status=0):
        out = self.path("core.pymem")
        done = run_load("-f", out, "--core", core, *options, timeout=300)
        self.assertEqual(done.returncode, status, done.stderr)
        return out, done

    def objects(self, path):
        """By address."""
        lines = path + ".jsonl"
        done = run_view("--no-sidecar", "--export", "jsonl", "-o", lines, path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(lines, encoding="utf-8", errors="replace") as f:
            rows = (json.loads(line) for line in f if '"refs"' in line)
            found = {r["address"]: r for r in rows if "refs" in r}
        os.unlink(lines)
        return found

    def differences(self, live, dead):
        """Of all objects of the living process and of its core, by type: objects that the
        core doesn't have, or has as another; sizes that both call exact and are not the
        same; references that it doesn't have, or has too many. And how many there were."""
        live, dead = self.objects(live), self.objects(dead)
        count = collections.Counter
        told = {"objects": count(), "sizes": count(), "missed": count(), "more": count()}
        total = count(objects=len(live))
        for address, a in live.items():
            b = dead.get(address)
            if b is None or a["type"] != b["type"]:
                told["objects"][a["type"]] += 1
                continue
            total["references"] += len(a["refs"])
            if a["size"] != b["size"] and "size_approx" not in (
                    a.get("flags", []) + b.get("flags", [])):
                told["sizes"][a["type"]] += 1
            there, here = refs_of(a), refs_of(b)
            for name, n in (("missed", there - here), ("more", here - there)):
                if n:
                    told[name][a["type"]] += sum(n.values())
        return {name: dict(n) for name, n in told.items()}, total

    def same(self, live, dead):
        """99.5 % of the objects, no exact size that differs, and all but the known
        references."""
        differ, total = self.differences(live, dead)
        print("%d objects, %d references; of the core's snapshot: %s"
              % (total["objects"], total["references"], differ), flush=True)
        self.assertGreater(total["references"], total["objects"])
        self.assertLessEqual(sum(differ["objects"].values()), total["objects"] * 0.005,
                             differ)
        self.assertEqual(differ["sizes"], {})
        self.assertLessEqual(set(differ["missed"]), UNTOLD, differ)
        for name in ("missed", "more"):
            self.assertLess(sum(differ[name].values()), total["references"] * 0.002, differ)

    def assert_explained(self, done):
        explained = re.search(rb"Self-check +\w+, ([0-9.]+) %", done.stdout)
        self.assertGreater(float(explained.group(1)), 97)
