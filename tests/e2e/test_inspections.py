# ctest: labels=e2e;ptrace cost=40
# SPDX-License-Identifier: MIT
"""Inspections: each known way of wasting memory is found where it was planted, and nothing
is said of a program that does the same things well."""
import html
import json

from harness import *

COMMON = r'''
import asyncio, collections, concurrent.futures, functools, gc, logging, sys, threading, weakref
class Key:
    pass
class Session:
    pass
Session.__module__ = "sqlalchemy.orm.session"
class Array:                # what numpy's arrays have, where numpy isn't installed
    __slots__ = ("base", "data")
    def __init__(self, base=None, data=None):
        self.base, self.data = base, data
Array.__module__, Array.__qualname__ = "numpy", "ndarray"
try:
    import numpy
except ImportError:
    numpy = None
class Loop(asyncio.SelectorEventLoop):
    pass
loop = Loop()
asyncio.set_event_loop(loop)
def text(n):
    return "text %d of %s" % (n, "x" * 300)
def settle(*coroutines):
    async def run():
        for turn in range(3):
            await asyncio.sleep(0)
        ready(); serve()
    loop.run_until_complete(run())
async def waits(body):
    await loop.create_future()
'''

PLANTED = COMMON + r'''
@functools.lru_cache(maxsize=None)
def load(n):
    return text(n)
for n in range(1000):
    load(n)
class Owner:
    @functools.lru_cache(maxsize=500)
    def look(self, n):
        return text(n)
for n in range(500):
    Owner().look(n)
class Twice:                # two caches keep each of them
    @functools.lru_cache(maxsize=500)
    def one(self):
        return text(1)
    @functools.lru_cache(maxsize=500)
    def other(self):
        return text(2)
for n in range(300):
    (lambda self: (self.one(), self.other()))(Twice())
@functools.lru_cache(maxsize=None)
def plan(n):                # few, but large
    return bytearray(60000)
for n in range(20):
    plan(n)
def fails(n):
    body = [text(i) for i in range(20)]
    raise ValueError(n)
FAILURES = []
for n in range(100):
    try:
        fails(n)
    except ValueError as error:
        FAILURES.append(error)
TRACES = []
for n in range(100):
    try:
        fails(n)
    except ValueError:
        TRACES.append(sys.exc_info()[2])
TASKS = [asyncio.ensure_future(waits(text(n) * 3)) for n in range(150)]
for n in range(1000):       # where more than half are, asyncio drops them
    loop.call_later(3600, print, n)
for n in range(900):
    loop.call_later(3600, print, text(n)).cancel()
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    FUTURES = [pool.submit(text, n) for n in range(300)]
for n in range(1500):
    LOGGER = logging.getLogger("request %d" % n)    # it has .manager, which is its class's
HANDLERS = []
for n in range(100):
    HANDLERS.append(logging.StreamHandler())
    HANDLERS[-1].body = text(n) * 9
gc.disable()
class Cycle:
    def __del__(self):
        pass
for n in range(500):
    c = Cycle()
    c.me, c.body = c, text(n)
del c
def work():
    threading.current_thread().body = [text(n) for n in range(200)]
THREADS = []
for n in range(3):
    t = threading.Thread(target=work)
    t.start(); t.join()
    THREADS.append(t)
del t
# idents are used again: as many threads run as have ended
OWN, MANY = {threading.get_ident(): []}, threading.Barrier(11)
def leaves(n):
    OWN[threading.get_ident()] = [text(i) for i in range(200)]
    MANY.wait()
ENDED = [threading.Thread(target=leaves, args=(n,)) for n in range(10)]
for t in ENDED:
    t.start()
MANY.wait()
for t in ENDED:
    t.join()
del ENDED, t
RUNNING = [threading.Thread(target=threading.Event().wait, daemon=True) for n in range(3)]
for t in RUNNING:
    t.start()
del t
CLASSES = [collections.namedtuple("Row", "a b") for n in range(100)]
WEAK = weakref.WeakKeyDictionary()
for n in range(400):
    key = Key()
    WEAK[key] = [key, text(n)]
del key
ROOM = dict.fromkeys(range(100000))
for n in range(5, 100000):
    del ROOM[n]
EQUAL = [text(n % 7) for n in range(8000)]
if numpy:
    VIEWS = [numpy.ones(20000)[n:n + 2] for n in range(4)]
else:
    VIEWS = [Array(base=Array(data=None)) for n in range(1)]
ORM = Session()
ORM.rows = [text(n) for n in range(1500)]
settle()
'''

WELL = COMMON + r'''
import itertools
made = itertools.count()
def text(n):                # never the same
    return "text %d of %s" % (next(made), "x" * 300)
@functools.lru_cache(maxsize=1000)
def load(n):
    return text(n)
for n in range(2000):
    load(n)
class Owner:
    @staticmethod
    @functools.lru_cache(maxsize=500)
    def look(n):
        return text(n)
for n in range(500):
    Owner.look(n)
class Service:
    @functools.lru_cache(maxsize=500)
    def look(self, n):
        return text(n)
SERVICE = Service()         # it lives anyway
for n in range(500):
    SERVICE.look(n)
class Place:
    @functools.lru_cache(maxsize=500)
    def __new__(cls, n):
        self = object.__new__(cls)
        self.name = text(n)
        return self
for n in range(500):
    Place(n)
@functools.lru_cache(maxsize=None)
def table(n):               # made once, when needed
    return bytearray(600000)
for n in range(3):
    table(n)
def fails(n):
    raise ValueError(text(n))
FAILURES = []
for n in range(1000):
    try:
        fails(n)
    except ValueError as error:
        FAILURES.append(error.with_traceback(None))
TASKS = [asyncio.ensure_future(waits(text(n) * 20)) for n in range(50)]
TIMERS = [loop.call_later(3600, print, text(n)) for n in range(1000)]
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    RESULTS = [pool.submit(text, n).result() for n in range(300)]
for n in range(20):
    logging.getLogger("module %d" % n).body = text(n) * 20
logging.getLogger().addHandler(logging.StreamHandler())
class Cycle:
    def __del__(self):
        pass
for n in range(500):
    c = Cycle()
    c.me, c.body = c, text(n)
del c
def work():
    threading.current_thread().body = [text(n) for n in range(200)]
    threading.Event().wait()
THREADS = [threading.Thread(target=work, daemon=True) for n in range(3)]
for t in THREADS:
    t.start()
while not all(hasattr(t, "body") for t in THREADS):
    pass
OWN = {t.ident: [text(n) for n in range(400)] for t in THREADS}
BY_ID = {id(t): [text(n) for n in range(400)] for t in THREADS}
CLASSES = [type("Row%d" % n, (), {"body": text(n)}) for n in range(100)]
for n in range(50):         # one in each module, which stays
    sys.modules["module%d" % n] = module = type(sys)("module%d" % n)
    module.Proxy = collections.namedtuple("Proxy", "a b c d e")
del module
KEYS = [Key() for n in range(400)]
WEAK = weakref.WeakKeyDictionary((key, text(n)) for n, key in enumerate(KEYS))
ROOM = dict.fromkeys(range(100000))
DIFFERENT = [text(n) for n in range(8000)]
if numpy:
    ARRAYS = [numpy.ones(20000) for n in range(4)]
    SHAPED = [numpy.ones(20000).reshape(100, 200) for n in range(4)]
    VIEWS = [array[2:4] for array in ARRAYS]
ORM = Session()
del n
gc.collect()
settle()
'''

EXPECTED = {    # key: how many, or at least how many
    "unbounded_cache": 2, "method_cache": 3, "kept_exceptions": 200, "waiting_tasks": 150,
    "cancelled_timers": 900, "kept_futures": 300, "loggers": 1500, "handlers": 100,
    "garbage": 500, "finalizers": 500, "ended_threads": 3, "thread_entries": 7, "made_classes": 100,
    "weak_cycles": 400, "emptied": 1, "equal_strings": 7990, "orm": 1,
}
WORST = {"unbounded_cache": "__main__.plan", "method_cache": "__main__.Owner.look",
         "kept_exceptions": "__main__.FAILURES", "ended_threads": "__main__.THREADS",
         "thread_entries": "__main__.OWN",
         "weak_cycles": "__main__.WEAK", "emptied": "__main__.ROOM", "orm": "__main__.ORM",
         "array_views": "__main__.VIEWS"}


class Inspections(Case):
    def rows(self, python, code):
        file = self.path("inspected%d.%d.pymem" % python.version[:2])
        with Target(python, code) as target:
            done = run_load("-q", "-f", file, str(target.pid))
            self.assertEqual(done.returncode, 0, done.stderr)
            numpy = target.ask("bool(numpy)")
        done = run_view(file, "--no-sidecar", "--report", "inspections", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = run_view(file, "--no-sidecar", "--report", "overview").stdout.decode()
        page = self.path("page.html")
        made = run_view(file, "--no-sidecar", "--export", "html", "-o", page)
        self.assertEqual(made.returncode, 0, made.stderr)
        with open(page) as f:
            self.page = html.unescape(f.read())
        return {r["key"]: r for r in json.loads(done.stdout)["processes"][0]["rows"]}, text, numpy

    def screen(self, python):
        out = self.path("screen.txt")
        os.chmod(self.tmp, 0o777)   # what scripts save, run by root, nobody makes
        script = subprocess.run([VIEW, "--no-sidecar", "--script", "-", "--screen-size", "140x40",
                                 self.path("inspected%d.%d.pymem" % python.version[:2])],
                                input=b":save-display %s\n" % out.encode(), timeout=600)
        self.assertEqual(script.returncode, 0)
        with open(out, encoding="utf-8") as f:
            return f.read()

    def test_planted(self):
        for python in some_interpreters(2):
            with self.subTest(python=python.name):
                rows, text, numpy = self.rows(python, PLANTED)
                expected = dict(EXPECTED, **({"array_views": 4} if numpy else {}))
                self.assertEqual(sorted(rows), sorted(expected))
                for key, least in expected.items():
                    row = rows[key]
                    self.assertGreaterEqual(row["count"], least, row)
                    if key != "equal_strings":  # the other cases have such, too
                        self.assertLessEqual(row["count"], least * 1.1 + 15, row)
                    self.assertIn(WORST.get(key, ""), row["worst"])
                    self.assertIn("%s: " % row["what"], text)
                    self.assertIn(row["remedy"], text)
                    self.assertIn(row["remedy"], self.page)
                done = run_view(self.path("inspected%d.%d.pymem" % python.version[:2]),
                                "--no-sidecar", "--format", "json", "--sql",
                                "SELECT path FROM object WHERE type = 'logging.Manager'")
                self.assertIn(b'"logging.Logger.manager"', done.stdout)
                screen = self.screen(python)
                self.assertIn("Known ways of wasting memory", screen)
                for key in sorted(rows, key=lambda k: rows[k]["bytes"])[-5:]:
                    self.assertIn(rows[key]["what"][:40], screen)

    def test_done_well(self):
        for python in some_interpreters(2):
            with self.subTest(python=python.name):
                rows, text, _ = self.rows(python, WELL)
                self.assertEqual(rows, {})
                self.assertNotIn("\nalso: ", text)
                self.assertNotIn("Known ways of wasting memory", self.page + self.screen(python))


if __name__ == "__main__":
    main()
