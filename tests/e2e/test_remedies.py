# ctest: labels=e2e;ptrace cost=60
# SPDX-License-Identifier: MIT
"""Usual causes that look at more than what kind of container it is, and what to do then."""
import json
import re

from harness import *

# name: code, what the suspect's path begins with ("": the first one), what its cause and
# remedy hold, what they don't
CASES = {
    "generators that are never finished": (r'''
class Answer:
    def __init__(self, n):
        self.parts = self.stream(n)
        next(self.parts)
    def stream(self, n):
        body = bytearray(12000)
        yield n
        yield body
OPEN = [Answer(n) for n in range(800)]
ready(); serve()
''', "__main__.OPEN", ["never finished", "close() them"], ["inspect.stack"]),

    "exceptions without a traceback": (r'''
FAILED = []
for n in range(8000):
    try:
        raise ValueError("order %d " % n * 100)
    except ValueError as e:
        FAILED.append(e.with_traceback(None))
ready(); serve()
''', "__main__.FAILED", ["in their args"], ["traceback"]),

    "exceptions that keep one another": (r'''
class Client:
    last = None
    def fetch(self, n):
        body = bytes(2000) + b"%d" % n
        try:
            raise self.last or ValueError(n)
        except Exception:
            try:
                raise OSError("try %d" % n)
            except OSError as e:
                self.last = e
CLIENT = Client()
for n in range(4000):
    CLIENT.fetch(n)
ready(); serve()
''', "__main__.CLIENT", ["(__context__)", "e.__context__ = e.__cause__ = None"], []),

    "a weak set of what lives": (r'''
import weakref
class Link:
    all = weakref.WeakSet()
LINKS = [Link() for n in range(20000)]
Link.all.update(LINKS)
ready(); serve()
''', "__main__.Link.all", ["something else keeps"], ["use weakref.WeakSet"]),

    "a list of weak references": (r'''
import weakref
class Link:
    pass
SEEN = [weakref.ref(Link()) for n in range(20000)]
ready(); serve()
''', "__main__.SEEN", ["nobody takes out"], ["deque"]),

    "finalizers that keep what they wait for": (r'''
import weakref
class Store:
    def __init__(self, n):
        self.blob = bytes(3000) + b"%d" % n
        weakref.finalize(self, self.close)
    def close(self):
        pass
for n in range(4000):
    Store(n)
ready(); serve()
''', "weakref.finalize._registry", ["never dies", "staticmethod"], []),

    "finalizers of what lives": (r'''
import weakref
class Store:
    pass
STORES = [Store() for n in range(8000)]
for n, store in enumerate(STORES):
    weakref.finalize(store, len, bytes(300) + b"%d" % n)
ready(); serve()
''', "weakref.finalize._registry", ["something else keeps"], ["never dies"]),

    "garbage that gc.freeze() took": (r'''
import gc
class Node:
    def __init__(self, n):
        self.me, self.text = self, b"%d" % n * 400
gc.disable()
for n in range(9000):
    Node(n)
gc.freeze()
gc.enable()
ready(); serve()
''', "(unreachable garbage)", ["gc.freeze()", "gc.unfreeze()"], []),

    "free blocks between what outlived a peak": (r'''
KEPT, peak = [], []
for n in range(280000):
    peak.append(("k", n, float(n)))
    if n % 200 == 0:
        KEPT.append("kept %d" % n)
del peak
ready(); serve()
''', "free memory", ["child process", "PYTHONMALLOC=malloc"], ["malloc_trim"]),

    "what tracemalloc has": (r'''
import tracemalloc
tracemalloc.start(25)
DATA = [[n, str(n)] for n in range(100000)]
ready(); serve()
''', "C allocations", ["tracemalloc.stop()"], ["C extension"]),

    "a function wrapped again and again": (r'''
class Http:
    def send(self):
        pass
def instrument(n):
    before, tag = Http.send, "tag %d" % n * 20
    def send(self):
        return before(self), tag
    Http.send = send
for n in range(8000):
    instrument(n)
ready(); serve()
''', "__main__.Http.send", ["wrap it once"], ["unregister"]),

    "callbacks of a future": (r'''
import asyncio
class Link:
    def __init__(self, over):
        self.body = bytearray(2000)
        over.add_done_callback(self.close)
    def close(self, over):
        pass
async def run():
    over = asyncio.get_event_loop().create_future()
    for n in range(3000):
        Link(over)
    asyncio.get_event_loop().call_soon(lambda: (ready(), serve()))
    await over
asyncio.new_event_loop().run_until_complete(run())
''', "", ["remove_done_callback"], []),

    "who waits for a lock": (r'''
import asyncio, os
async def use(lock, n):
    body = bytearray(3000)
    async with lock:
        await asyncio.sleep(3600)
    return body
async def run():
    lock = asyncio.Lock()
    tasks = [asyncio.ensure_future(use(lock, n)) for n in range(2000)]
    del tasks
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ready(); serve()
    os._exit(0)
asyncio.new_event_loop().run_until_complete(run())
''', "", ["for a lock"], []),

    "written faster than the other side reads": (r'''
import asyncio, os, socket
WRITERS = set()
async def serve_one(reader, writer):
    WRITERS.add(writer)
    peer = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while len(WRITERS) < 8:
        await asyncio.sleep(0.01)
    for n in range(200):
        writer.write(b"%04d" % n + bytes(8000))
    arrived.set_result(None) if not arrived.done() else None
async def run():
    global arrived
    arrived = asyncio.get_event_loop().create_future()
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    peers = [socket.socket() for n in range(8)]
    for peer in peers:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(server.sockets[0].getsockname())
    await arrived
    await asyncio.sleep(0)
    ready(); serve()
    os._exit(len(peers))
asyncio.new_event_loop().run_until_complete(run())
''', "__main__.WRITERS", ["await writer.drain()"], ["what has been seen"]),

    "a document that is read in steps": (r'''
import io, xml.etree.ElementTree as ET
def feed(count):
    text = "<feed>%s</feed>" % "".join(
        "<item id='%d'><title>Title %d</title></item>" % (n, n) for n in range(count))
    for event, element in ET.iterparse(io.BytesIO(text.encode())):
        if element.get("id") == "19999":
            ready(); serve()
feed(20000)
''', "thread", ["iterparse", "element.clear()"], []),

    "received and not read": (r'''
import asyncio, os
async def run():
    global READERS
    READERS = [asyncio.StreamReader(limit=1 << 30) for n in range(20)]
    for n in range(2000):
        for reader in READERS:
            reader.feed_data(b"line %06d\n" % n * 8)
    ready(); serve()
    os._exit(0)
asyncio.new_event_loop().run_until_complete(run())
''', "__main__.READERS", ["than the program reads"], []),

    "queries of Django": (r'''
import collections
class Wrapper:
    def __init__(self):
        self.queries_log = collections.deque(maxlen=9000)
Wrapper.__module__, Wrapper.__qualname__ = "django.db.backends.base.base", "BaseDatabaseWrapper"
CONNECTION = Wrapper()
for n in range(9000):
    CONNECTION.queries_log.append({"sql": "SELECT %d" % n, "time": "0.%03d" % n})
ready(); serve()
''', "__main__.CONNECTION.queries_log", ["settings.DEBUG", "reset_queries"], ["maxlen"]),
}
GREENLETS = r'''
import gevent, gevent.event
happens = gevent.event.Event()
def work(n):
    body = ["line %d of %d" % (i, n) for i in range(40)]
    happens.wait()
WAITING = [gevent.spawn(work, n) for n in range(400)]
DONE = [gevent.spawn(bytes, 4000) for n in range(400)]
gevent.joinall(DONE)
ready(); serve()
'''
ARRAYS = r'''
import numpy
VIEWS = [numpy.ones(20000)[:9] for n in range(40)]
SHAPED = [numpy.ones(20000).reshape(100, 200) for n in range(40)]
ready(); serve()
'''


class Remedies(Case):
    def rows(self, python, name, code):
        with Target(python, code) as target:
            file = self.path(re.sub(r"\W", "-", name) + ".pymem")
            done = run_load("-q", "-f", file, str(target.pid))
            self.assertEqual(done.returncode, 0, done.stderr)
        done = run_view(file, "--format", "json", "--no-sidecar", "--report", "suspects")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["processes"][0]["rows"]

    def check(self, python, name):
        code, path, words, never = CASES[name]
        rows = self.rows(python, name, code)
        row = next((r for r in rows if r["path"].startswith(path)), None)
        self.assertTrue(row, [r["text"] for r in rows])
        said = row["cause"] + "\n" + row["remedy"]
        for word in words:
            self.assertIn(word, said)
        for word in never:
            self.assertNotIn(word, said)

    def test_cause_and_remedy(self):
        python = interpreters()[-1]
        for name in CASES:
            if python.free_threaded and name == "free blocks between what outlived a peak":
                continue        # it has no pymalloc
            with self.subTest(name):
                self.check(python, name)

    def python_with(self, library):
        python = next((p for p in interpreters() if not subprocess.run(
            [p.path, "-c", "import " + library], stderr=subprocess.DEVNULL).returncode), None)
        if not python:
            self.skipTest("no interpreter here has " + library)
        return python

    def test_greenlets(self):
        """Those that wait, and those that have ended and stay."""
        rows = self.rows(self.python_with("gevent"), "greenlets", GREENLETS)
        said = {row["text"].split(" ->")[0]: row["cause"] for row in rows}
        self.assertIn("greenlets that are done stay", said["__main__.DONE"])
        self.assertTrue([cause for cause in said.values()
                         if "greenlets that are spawned faster" in cause], said)

    def test_views_of_arrays(self):
        """Those of a small part keep the rest for nothing; a reshaped array is whole."""
        python = self.python_with("numpy")
        said = {row["path"]: row["remedy"] for row in self.rows(python, "arrays", ARRAYS)}
        self.assertIn("view.copy()", said["__main__.VIEWS"])
        self.assertNotIn("view.copy()", said["__main__.SHAPED"])

    def test_generators_that_have_a_frame(self):
        """Up to 3.10 a suspended generator's frame is an object: it is the generator's."""
        for python in interpreters():
            if (3, 0) < python.version[:2] < (3, 11):
                with self.subTest(python.name):
                    self.check(python, "generators that are never finished")

    def test_cycles_are_entered_at_what_there_is_one_of(self):
        """Wherever its objects lie: a document that nothing refers to is one group."""
        for python in interpreters():
            if python.version[0] < 3:
                continue
            with self.subTest(python.name):
                rows = self.rows(python, "documents", r'''
import gc, random
gc.disable()
class Part:
    pass
class Note:
    pass
class Document:
    pass
def make():
    made = [Part() for n in range(30)] + [Note() for n in range(60)]
    made.insert(random.randrange(len(made)), Document())
    random.shuffle(made)
    document = next(m for m in made if type(m) is Document)
    document.parts = [m for m in made if m is not document]
    for part in document.parts:
        part.owner = document
FREE = [Part() for n in range(40000)]
random.shuffle(FREE)
for n in range(300):
    del FREE[-90:]
    make()
ready(); serve()
''')
                garbage = [r for r in rows if "garbage" in r["path"]]
                self.assertEqual(len(garbage), 1, [r["text"] for r in rows])
                self.assertIn("300 Document", garbage[0]["text"])

    def texts(self, python, name, code):
        return [r["text"] for r in self.rows(python, name, code)]

    def test_members_are_those_that_the_holder_has(self):
        """Not whatever else of their type is held by many; where there are more, so many."""
        texts = self.texts(interpreters()[-1], "queues", r'''
import queue
QUEUES = [queue.Queue() for n in range(20)]
for n in range(6000):
    message = {"seq": n, "data": "%d" % n * 400}
    for q in QUEUES:
        q.put(message)
del message
ready(); serve()
''')
        self.assertRegex(texts[0], r"queue.* -> 6,000 dict, also in (.*queue, ){2}"
                                   r"__main__.*queue and 16 more, ")

    def test_a_list_of_dicts_in_a_module(self):
        """A module's variables are a dict, too, but no link of it."""
        texts = self.texts(interpreters()[-1], "chain", r'''
HEAD = None
for n in range(20000):
    HEAD = {"previous": HEAD, "text": "edit %d" % n * 5}
ready(); serve()
''')
        self.assertIn("__main__.HEAD -> dict -> chain of 20,000 dict", texts[0])

    def test_elements_are_the_members(self):
        """Not what each of them has, and something else refers to, too."""
        texts = self.texts(interpreters()[-1], "elements", r'''
class State:
    def __init__(self, n):
        self.before = "%d" % n * 100
class Order:
    def __init__(self, n):
        self.note, self.state = n, State(n)
class Session:
    def __init__(self):
        self.seen = [Order(n) for n in range(5000)]
        self.known = [[[{order.state for order in self.seen}]]]
SESSION = Session()
ready(); serve()
''')
        self.assertIn("__main__.SESSION.seen -> list -> 5,000 Order", texts[0])

    def test_nested_dicts(self):
        texts = self.texts(interpreters()[-1], "trie", r'''
import random
ROOT = {}
random.seed(1)
for n in range(8000):
    node = ROOT
    for letter in "%x" % random.getrandbits(40):
        node = node.setdefault(letter, {})
ready(); serve()
''')
        self.assertRegex(texts[0], r"__main__.ROOT -> tree of [0-9]+,[0-9]+ dict")

    def test_what_the_members_are_full_of(self):
        """A dict of a few lists of the same is one thing, with what is in these."""
        code = r'''
import collections
class View:
    def __init__(self, n):
        self.page = "<p>%%d" %% n * 50
    def on_save(self):
        pass
KEPT = collections.defaultdict(list)
for n in range(6000):
    KEPT[n %% %d].append(View(n)%s)
ready(); serve()
'''
        texts = self.texts(interpreters()[-1], "few", code % (5, ""))
        self.assertIn("__main__.KEPT -> defaultdict -> 5 list of 1,200 View each", texts[0])
        self.assertFalse([text for text in texts[1:] if "View" in text], texts)
        uneven = code.replace("n %% %d", "n %% %d if n < 5700 else 1").replace("50", "300")
        texts = self.texts(interpreters()[-1], "uneven", uneven % (5, ""))
        self.assertIn("-> 5 list of some 1,200 View each", texts[0])
        large = code.replace("n %% %d", "0 if n < 1000 else n %% %d")
        texts = self.texts(interpreters()[-1], "one large", large % (5, ""))
        self.assertIn("-> 4 list of 1,000 View each", texts[0])
        self.assertIn("KEPT[0] -> list -> 2,000 View", texts[1])
        texts = self.texts(interpreters()[-1], "many", code % (250, ""))
        self.assertIn("-> 250 list of some 24 View each", texts[0])
        texts = self.texts(interpreters()[-1], "two", code % (2, ""))
        self.assertIn("__main__.KEPT[0] -> list -> 3,000 View", "\n".join(texts))
        rows = self.rows(interpreters()[-1], "methods", code % (7, ".on_save"))
        self.assertIn("KEPT -> defaultdict -> 7 list of some 857 method each",
                      rows[0]["text"])
        self.assertIn("callbacks", rows[0]["cause"])

    def test_members_some_of_which_are_held_elsewhere(self):
        code = r'''
class Rule:
    def __init__(self, n):
        self.text = str(n) * 200
RULES = {n: Rule(n) for n in range(6000)}
%s = {n: RULES[n] for n in range(1500)}
ready(); serve()
'''
        texts = self.texts(interpreters()[-1], "in a module", code % "RECENT")
        self.assertIn("__main__.RULES -> dict -> 4,500 Rule and 1,500 that something else "
                      "holds, too", texts[0])
        texts = self.texts(interpreters()[-1], "in two", code % "import json; json.recent")
        self.assertIn("__main__.RULES -> dict -> 6,000 Rule, also in json.recent "
                      "(1,500 of them)", texts[0])
        self.assertFalse([text for text in texts[1:] if "Rule" in text], texts)

    def test_nothing_stands_out(self):
        """What every interpreter has is no suspect, wherever it has its bytecode."""
        for python in interpreters():
            if python.version[0] == 3:
                with self.subTest(python.name):
                    rows = self.rows(python, "bare", "ready(); serve()")
                    self.assertEqual([r["text"] for r in rows if r["kind"] != "free"], [])

    def test_classes_of_a_module(self):
        """Not made while the program runs: 3.6 has the caches of abc in their attributes."""
        python = next((p for p in interpreters() if p.version[:2] == (3, 6)), None)
        if not python:
            self.skipTest("no CPython 3.6")
        rows = self.rows(python, "abc", r'''
import collections.abc
KEPT = [type("Row", (), {}) for n in range(3000)]
for row in KEPT:
    isinstance(row(), collections.abc.Mapping)
ready(); serve()
''')
        row = next(r for r in rows if r["path"].startswith("collections.abc"))
        self.assertNotIn("made while the program runs", row["cause"])


if __name__ == "__main__":
    main()
