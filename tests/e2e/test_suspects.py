# ctest: labels=e2e;ptrace cost=55
# SPDX-License-Identifier: MIT
"""Planted leaks: the first suspect and its path name the planted holder."""
import re

from harness import *

COMMON = r'''
import sys, threading, gc, functools, asyncio
class Session:
    def __init__(self, i):
        self.user = "user-%d" % i
        self.data = [i, i + 1]
N = 40000
def leak():
    return [Session(i) for i in range(N)]
'''

# name: code, what the first suspect's text must hold, in this order, and its members' type
CASES = {
    "module dict": (r'''
STORE = {"sessions": {}}
for i in range(N):
    STORE["sessions"][i] = Session(i)
ready(); serve()
''', ["__main__.STORE['sessions']", "dict", "40,000 Session"]),

    "closure": (r'''
def make():
    cache = leak()
    def handler(request):
        return cache[request]
    return handler
handler = make()
ready(); serve()
''', ["__main__.handler › closure cache -> list -> 40,000 Session"]),

    "lru_cache": (r'''
@functools.lru_cache(maxsize=None)
def lookup(i):
    return Session(i)
for i in range(N):
    lookup(i)
ready(); serve()
''', ["__main__.lookup", "40,000"]),

    "bounded lru_cache": (r'''
@functools.lru_cache(maxsize=N)
def lookup(i):
    return Session(i)
for i in range(N):
    lookup(i)
ready(); serve()
''', ["__main__.lookup"]),

    "class attribute": (r'''
class Registry:
    items = []
Registry.items.extend(leak())
ready(); serve()
''', ["__main__.Registry", "items", "list", "40,000 Session"]),

    "local variable of a thread": (r'''
import time
def worker():
    kept = leak()
    ready()
    time.sleep(1000)
threading.Thread(target=worker, daemon=True, name="worker-7").start()
serve()
''', ["thread worker-7 › worker (target.py:", "› kept", "list", "40,000 Session"]),

    "thread local": (r'''
import time
local = threading.local()
def worker():
    local.kept = leak()
    ready()
    time.sleep(1000)
threading.Thread(target=worker, daemon=True, name="worker-7").start()
serve()
''', ["kept", "list", "40,000 Session"]),

    "traceback frame": (r'''
def fail():
    big = leak()
    raise ValueError("kept")
def run():
    try:
        fail()
    except ValueError as e:
        return e
last_error = run()
ready(); serve()
''', ["__main__.last_error", "› big", "list", "40,000 Session"]),

    "asyncio task": (r'''
async def job():
    held = leak()
    await asyncio.sleep(1000)
async def main():
    task = asyncio.ensure_future(job())
    await asyncio.sleep(0.1)
    ready()
    serve()
asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
''', ["› held", "list", "40,000 Session"]),

    "held by C code only": (r'''
import ctypes
def forget():
    kept = leak()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
forget()
ready(); serve()
''', ["C code › builtins.list", "40,000 Session"]),

    "cyclic garbage with __del__": (r'''
gc.disable()
class Node:
    def __del__(self):
        pass
node = Node()
node.kept = leak()
node.me = node
del node
ready(); serve()
''', ["unreachable __main__.Node.kept", "list", "40,000 Session"]),

    "two holders": (r'''
queue = leak()
index = {s.user: s for s in queue}
ready(); serve()
''', ["__main__.queue", "40,000 Session", "also in __main__.index"]),

    "linked list": (r'''
class Link:
    __slots__ = ("next", "payload")
head = None
for i in range(N):
    link = Link()
    link.next = head
    link.payload = "payload-%d" % i
    head = link
del link
ready(); serve()
''', ["__main__.head", "Link"]),
}


class Suspects(Case):
    def check(self, python, name):
        code, words = CASES[name]
        path = os.path.join(self.dir, "%s.pymem" % name.replace(" ", "-"))
        with Target(python, COMMON + code) as target:
            run_load("-q", "-f", path, str(target.pid))
        out = subprocess.run([VIEW, "--no-sidecar", "--report", "suspects", "--format", "json",
                              path], stdout=subprocess.PIPE, check=True, timeout=300)
        process = json.loads(out.stdout.decode())["processes"][0]
        self.assertTrue(process["complete"])
        first = process["rows"][0]
        at = 0
        for word in words:
            found = first["text"].find(word, at)
            self.assertGreaterEqual(found, 0, "%r not in %r" % (word, first["text"]))
            at = found + len(word)
        self.assertGreater(first["share"], 0.3, first)

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="pymem-suspects-")
        self.addCleanup(shutil.rmtree, self.dir, True)


# a heap whose largest part is no leak; the leak is beside it and smaller
BESIDE = r'''
BASE = {"row%d" % i: {"id": i, "name": "n%d" % i} for i in range(20000)}
'''

# name: code, the text of a suspect that must be among the first three, and its kind
LINKED = r'''
class Node:
    def __init__(self, i):
        self.value, self.before, self.next = "node %d" % i * 30, None, None
class Linked:
    def __init__(self):
        self.first = self.last = None
    def append(self, node):
        node.before = self.last
        if self.last:
            self.last.next = node
        else:
            self.first = node
        self.last = node
'''
NAMED = {
    "smaller one beside": (r'''
class Api:
    pass
api = Api()
api._cache = {i: {"response": "x" * 100} for i in range(5000)}
ready(); serve()
''', "__main__.api._cache -> dict -> 5,000 dict", "single"),

    "collected by atexit": (r'''
import atexit
class Resource:
    def close(self):
        pass
for i in range(12000):
    r = Resource()
    r.name = "resource %d" % i
    atexit.register(r.close)
ready(); serve()
''', "(atexit) -> 12,000 method Resource.close", "group"),

    "garbage": (r'''
gc.disable()
class Node:
    def __init__(self, i):
        self.me, self.data = self, "x%d" % i * 30
for i in range(10000):
    Node(i)
ready(); serve()
''', "(unreachable garbage) -> 10,000 Node", "group"),

    # modules' dicts are of the same type, and larger: they are not held by C
    "leaked by C": (r'''
import ctypes
for i in range(8000):
    leaked = {"n": i, "self": []}
    leaked["self"].append(leaked)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(leaked))
    del leaked
ready(); serve()
''', re.compile(r"\(C code we can't see into\) -> 8,00\d dict"), "group"),

    "one function in many threads": (r'''
def work(buffer):
    begun.release()
    event.wait()
event, begun = threading.Event(), threading.Semaphore(0)
for i in range(20):
    threading.Thread(target=work, args=(bytearray(100000),), daemon=True).start()
for i in range(20):
    begun.acquire()
ready(); serve()
''', "local variables of work (target.py) in 20 frames -> 20 bytearray", "frames"),

    "deep recursion": (r'''
sys.setrecursionlimit(100000)
threading.stack_size(256 << 20)
def deep(n):
    text = "frame %d" % n * 50
    if n:
        return deep(n - 1)
    ready(); serve()
thread = threading.Thread(target=deep, args=(3999,))
thread.start()
thread.join()
''', "local variables of deep (target.py) in 4,000 frames -> 4,000 str", "frames"),

    "chain": (r'''
last = None
for i in range(5000):
    e = RuntimeError("x%d" % i * 30)
    e.__context__, last = last, e
del e
ready(); serve()
''', "__main__.last -> RuntimeError -> chain of 5,000 RuntimeError", "chain"),

    "chain linked both ways": (LINKED + r'''
both = Linked()
for i in range(5000):
    both.append(Node(i))
ready(); serve()
''', "__main__.both -> Linked -> chain of 5,000 Node", "chain"),

    "ring": (LINKED + r'''
ring = first = Node(0)
for i in range(1, 5000):
    node = Node(i)
    node.before, first.next = first, node
    first = node
ring.before, first.next = first, ring
del first, node
ready(); serve()
''', "__main__.ring -> Node -> chain of 4,999 Node", "chain"),

    "linked elements of a dict": (LINKED + r'''
both, known = Linked(), {}
for i in range(5000):
    known[i] = Node(i)
    both.append(known[i])
holder = [both, known]
del both, known
ready(); serve()
''', "__main__.holder[1] -> dict -> 5,000 Node, shared below __main__.holder", "single"),
}


class Named(Case):
    def test_named(self):
        """What is not the largest, or spread over many holders, is named all the same."""
        for n, (name, (code, text, kind)) in enumerate(NAMED.items()):
            # up to 3.7 that list is in memory that nothing leads to, then the module's own
            since = (3, 10) if name == "collected by atexit" else (3, 6)
            for python in in_turn(n, since):
                with self.subTest(name=name, python=python.name):
                    path = self.path("named")
                    with Target(python, "import time\n" + COMMON + BESIDE + code) as target:
                        run_load("-q", "-f", path, target.pid)
                    done = run_view("--no-sidecar", "--report", "suspects", "--format",
                                    "json", path)
                    rows = json.loads(done.stdout.decode())["processes"][0]["rows"][:3]
                    wanted = text.pattern if isinstance(text, re.Pattern) else re.escape(text)
                    self.assertTrue([r for r in rows if r["kind"] == kind and
                                     re.fullmatch(wanted + "(, most of each in .*)?",
                                                  r["text"])], rows)


    def test_interpreters_of_their_own(self):
        """The modules of several interpreters are as usual as those of one, and hide none
        that is large."""
        code = ("import _xxsubinterpreters as interpreters\n"
                "made = [interpreters.create() for _ in range(4)]\n"
                "for one in made:\n"
                "    interpreters.run_string(one, '''if 1:\n"
                "    import json, re, datetime, email.message\n"
                "    STORE = [{\"n\": i} for i in range(12000)]''')\n"
                "ready(); serve()\n")
        pythons = [p for p in interpreters() if (3, 8) <= p.version[:2] < (3, 12)]
        if not pythons:
            self.skipTest("no interpreter whose others can be made from here")
        path = self.path("several")
        for python in pythons:
            with self.subTest(python=python.name):
                with Target(python, code) as target:
                    run_load("-q", "-f", path, target.pid)
                done = run_view("--no-sidecar", "--report", "suspects", "--format", "json",
                                path)
                rows = json.loads(done.stdout.decode())["processes"][0]["rows"]
                for row in rows[:3]:
                    self.assertRegex(row["text"], r"^__main__ \(interpreter [1-4]\)\.STORE "
                                                  r"-> list -> 12,000 dict")

    def test_container_of_shared_members(self):
        """A list whose members hold each other is one suspect with them, not two."""
        code = ("import random\nrandom.seed(1)\nnodes = [[] for i in range(50000)]\n"
                "for n in nodes:\n    n.extend(random.choice(nodes) for _ in range(5))\n"
                "ready(); serve()\n")
        path = self.path("shared")
        with Target(some_interpreters(1)[0], code) as target:
            run_load("-q", "-f", path, target.pid)
        done = run_view("--no-sidecar", "--report", "suspects", "--format", "json", path)
        rows = json.loads(done.stdout.decode())["processes"][0]["rows"]
        rows = [r for r in rows if r["path"] == "__main__.nodes"]
        self.assertEqual(len(rows), 1, rows)
        self.assertGreater(rows[0]["member_count"], 49000)
        self.assertGreater(rows[0]["retained"], 50000 * (56 + 5 * 8 + 8))


class Growth(Case):
    CODE = r'''
import collections
class Session:
    def __init__(self, i):
        self.user = "user-%d" % i
        self.data = [i, i + 1]
class Link:
    pass
STORE = {"sessions": {}}
STEADY = [Session(i) for i in range(3000)]
head, n = None, 0
def grow():
    global head, n
    for i in range(2000):
        STORE["sessions"][n] = Session(n)
        n += 1
        link = Link()
        link.next = head
        head = link
grow()
ready(); serve()
'''

    def rows(self, report, *args):
        done = run_view("--no-sidecar", "--report", report, "--format", "json", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.decode())["processes"][0]["rows"]

    THREADS = r'''
import threading
event = threading.Event()
def work(buffer):
    event.wait()
def grow():
    for i in range(10):
        threading.Thread(target=work, args=(bytearray(50000),), daemon=True).start()
grow()
ready(); serve()
'''

    def test_threads(self):
        """Threads that have a number in their names are one place."""
        for python in some_interpreters(2):
            old, new = self.path("old"), self.path("new")
            with self.subTest(python=python.name), Target(python, self.THREADS) as target:
                run_load("-q", "-f", old, target.pid)
                target.tell("grow()")
                run_load("-q", "-f", new, target.pid)
                first = self.rows("growth", "--compare", old, new)[0]
                self.assertIn("work (target.py:", first["path"])
                self.assertEqual((first["type"], first["count"], first["count_diff"]),
                                 ("builtins.bytearray", 20, 10), first)

    def test_series(self):
        """Of several snapshots what grew in every step comes first, then what jumped."""
        files = [self.path("%d.pymem" % n) for n in range(3)]
        with Target(interpreters()[-1], self.CODE) as target:
            for n, file in enumerate(files):
                if n == 1:
                    target.tell("NOISE = [Session(i) for i in range(30000)]")
                if n:
                    target.tell("grow()")
                self.assertEqual(run_load("-q", "-f", file, target.pid).returncode, 0)
        for order in (files, files[::-1]):
            done = run_view("--no-sidecar", "--report", "growth", "--format", "json", *order)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = sum((p["rows"] for p in json.loads(done.stdout)["processes"]), [])
            paths = [row["path"] for row in rows]
            store = rows[paths.index("__main__.STORE['sessions'][*]")]
            noise = rows[paths.index("__main__.NOISE")]
            self.assertEqual((store["count_diff"], store["steps"]), (4000, "2 of 2 steps"))
            self.assertEqual((noise["count_diff"], noise["steps"]), (1, "1 of 2 steps"))
            self.assertLess(rows.index(store), rows.index(noise))
            self.assertGreater(noise["total_diff"], store["total_diff"])
            self.assertGreater(store["per_hour"], store["total_diff"])
        text = run_view("--no-sidecar", *files).stdout.decode()
        self.assertTrue(text.startswith("What grew, by path: process "), text[:300])
        self.assertRegex(text, r"\nall objects: \+.* in .* an hour \(3 snapshots\)\n")
        self.assertIn("\nOverview: ", text)

    def test_growth_that_no_object_has(self):
        """Resident memory may grow where no object does: the allocators keep it."""
        files = [self.path("%d.pymem" % n) for n in range(2)]
        with Target(interpreters()[-1], "kept = []\nready(); serve()\n") as target:
            for n, file in enumerate(files):
                if n:
                    target.tell("kept = [bytes(3000) + b'%d' % i for i in range(20000)]")
                    target.tell("kept = kept[::499]")
                self.assertEqual(run_load("-q", "-f", file, target.pid).returncode, 0)
        text = run_view("--no-sidecar", "--report", "growth", *files).stdout.decode()
        self.assertRegex(text, r"\nresident memory: \+\d\d.*MiB: \+\d\d.* free in the allocators")

    NAMED = r"""
import asyncio, dataclasses, functools, threading
TEXTS = iter(range(10 ** 9))
def texts():
    return ["text %d" % next(TEXTS) for n in range(9000)]
def add(value, acc=[]):
    acc.extend(texts())
add(0)
def keep(*, pool={}):
    pool.update((text, 0) for text in texts())
keep()
def make():
    seen = texts()
    def track(n):
        seen.append(n)
    return track
track = make()
@dataclasses.dataclass
class Conf:
    rows: list = dataclasses.field(default_factory=texts)
CONF = Conf()
printer = functools.partial(print, table=texts())
class Slot:
    __slots__ = ("body",)
SLOT = Slot()
SLOT.body = texts()
def work():
    rows = texts()
    event.wait()
event = threading.Event()
threading.Thread(target=work, name="Worker-7", daemon=True).start()
async def load():
    batch = texts()
    ready()
    while True:
        line = await asyncio.get_event_loop().run_in_executor(None, _r.readline)
        if not line:
            os._exit(0)
async def start():
    await asyncio.create_task(load(), name="importer")
asyncio.run(start())
"""

    def test_each_has_the_name_by_which_it_is_held(self):
        """Parameters, keywords, closures, fields, slots, local variables of threads and tasks."""
        expected = {"__main__.add(acc=\u2026)", "__main__.keep(pool=\u2026)",
                    "__main__.track \u203a closure seen", "__main__.CONF.rows",
                    "__main__.printer(table=\u2026)", "__main__.SLOT.body",
                    "thread Worker-7 \u203a work (target.py:N) \u203a rows",
                    "task importer \u203a load() (target.py:N) \u203a batch"}
        for python in (p for p in some_interpreters() if p.version >= (3, 8)):
            with self.subTest(python=python.name), Target(python, self.NAMED) as target:
                path = self.path("named%d.%d" % python.version[:2])
                self.assertEqual(run_load("-q", "-f", path, target.pid).returncode, 0)
                found = {re.sub(r"py:\d+", "py:N", r["path"])
                         for r in self.rows("suspects", path) if not r["usual"]}
                self.assertEqual(expected - found, set(), found)

    def test_small_but_the_programs_own(self):
        """What a variable of the program holds isn't imported code, however small it is; a
        closure's variable is called so in what grew, too."""
        code = r"""
def make():
    seen = []
    def track(n):
        seen.append(("number", n))
    return track
track = make()
BIG = [bytes(1000) for n in range(3000)]
for n in range(1200):
    track(n)
ready(); serve()
"""
        old, new = self.path("before"), self.path("after")
        with Target(interpreters()[-1], code) as target:
            self.assertEqual(run_load("-q", "-f", old, target.pid).returncode, 0)
            target.tell("for n in range(1200, 2000): track(n)")
            self.assertEqual(run_load("-q", "-f", new, target.pid).returncode, 0)
        rows = {r["path"]: r for r in self.rows("suspects", new)}
        path = "__main__.track \u203a closure seen"
        self.assertIn(path, rows)
        self.assertLess(rows[path]["retained"], 256 << 10)
        self.assertNotIn("imported code", rows[path]["cause"])
        self.assertFalse(rows[path]["usual"])
        self.assertTrue(any(r["usual"] for r in rows.values()))
        for r in rows.values():
            self.assertEqual("imported code" in r["cause"], r["usual"], r)
            self.assertEqual(r["text"].startswith("usual: "), r["usual"], r)
        out = self.path("screen.txt")
        os.chmod(self.tmp, 0o777)   # what scripts save, run by root, nobody makes
        done = subprocess.run([VIEW, "--no-sidecar", "--script", "-", "--screen-size", "140x40",
                               new], input=b":save-display %s\n" % out.encode(), timeout=600)
        self.assertEqual(done.returncode, 0)
        with open(out, encoding="utf-8") as f:
            screen = f.read()
        self.assertIn("  " + path, screen)
        self.assertIn("  usual: ", screen)
        grown = {r["path"] for r in self.rows("growth", "--compare", old, new)}
        self.assertLessEqual({path, path + "[*]"}, grown)

    def test_growth(self):
        """What grew is named by its place; what stayed, is not."""
        for python in some_interpreters(3 if LONG else 2):
            old, new = self.path("old"), self.path("new")
            with self.subTest(python=python.name), Target(python, self.CODE) as target:
                run_load("-q", "-f", old, target.pid)
                target.tell("grow()")
                run_load("-q", "-f", new, target.pid)
                types = {r["type"]: r for r in self.rows("diff", "--compare", old, new)}
                self.assertEqual(types["__main__.Session"]["count_diff"], 2000)
                self.assertEqual(types["__main__.Link"]["count_diff"], 2000)
                places = {r["type"]: r for r in self.rows("growth", "--compare", old, new)
                          if r["count_diff"]}
                session = places["__main__.Session"]
                self.assertEqual(session["path"], "__main__.STORE['sessions'][*]")
                self.assertEqual(session["count_diff"], 2000)
                self.assertGreater(session["total_diff"], 2000 * 100)
                link = places["__main__.Link"]
                self.assertIn("__main__.head", link["path"])
                self.assertGreaterEqual(link["count_diff"], 1998)
                self.assertEqual([r for r in places.values() if "STEADY" in r["path"]], [])
                back = {r["type"]: r for r in self.rows("diff", "--compare", new, old)}
                self.assertEqual(back["__main__.Session"]["count_diff"], -2000)


def add_case(n, name, everywhere):
    def test(self):
        for python in some_interpreters() if everywhere and not LONG else in_turn(n):
            with self.subTest(python=python.name):
                self.check(python, name)
    setattr(Suspects, "test_" + name.replace(" ", "_").replace("__", "_"), test)


for _n, _name in enumerate(CASES):
    add_case(_n, _name, _name == "module dict")

if __name__ == "__main__":
    main()
