# ctest: labels=e2e;ptrace timeout=240
# SPDX-License-Identifier: MIT
"""Planted leaks: the first suspect and its path name the planted holder."""
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
''', ["module __main__.STORE['sessions']", "dict", "40,000 Session"]),

    "closure": (r'''
def make():
    cache = leak()
    def handler(request):
        return cache[request]
    return handler
handler = make()
ready(); serve()
''', ["module __main__.handler", "c", "cache", "list", "40,000 Session"]),

    "lru_cache": (r'''
@functools.lru_cache(maxsize=None)
def lookup(i):
    return Session(i)
for i in range(N):
    lookup(i)
ready(); serve()
''', ["module __main__.lookup", "40,000"]),

    "bounded lru_cache": (r'''
@functools.lru_cache(maxsize=N)
def lookup(i):
    return Session(i)
for i in range(N):
    lookup(i)
ready(); serve()
''', ["module __main__.lookup"]),

    "class attribute": (r'''
class Registry:
    items = []
Registry.items.extend(leak())
ready(); serve()
''', ["module __main__.Registry", "items", "list", "40,000 Session"]),

    "local variable of a thread": (r'''
import time
def worker():
    kept = leak()
    ready()
    time.sleep(1000)
threading.Thread(target=worker, daemon=True, name="worker-7").start()
serve()
''', ["local kept in worker (target.py:", "of thread worker-7", "list", "40,000 Session"]),

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
''', ["module __main__.last_error", "local big", "list", "40,000 Session"]),

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
''', ["local held", "list", "40,000 Session"]),

    "held by C code only": (r'''
import ctypes
def forget():
    kept = leak()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
forget()
ready(); serve()
''', ["unknown C reference to builtins.list", "40,000 Session"]),

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
''', ["module __main__.queue", "40,000 Session", "shared below module __main__"]),

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
''', ["module __main__.head", "Link"]),
}


class Suspects(Case):
    def check(self, python, name):
        code, words = CASES[name]
        path = os.path.join(self.dir, "%s.pymem" % name.replace(" ", "-"))
        with Target(python, COMMON + code) as target:
            run_load("-q", "-f", path, str(target.pid))
        for report in ("suspects", "objects"):
            out = subprocess.run([VIEW, "--no-sidecar", "--report", report, "--format", "json",
                                  path], stdout=subprocess.PIPE, check=True, timeout=60)
            process = json.loads(out.stdout.decode())["processes"][0]
            self.assertTrue(process["complete"])
            if report == "suspects":
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


def add_case(name, everywhere):
    def test(self):
        for python in (interpreters() if everywhere or LONG else some_interpreters(2)):
            with self.subTest(python=python.name):
                self.check(python, name)
    setattr(Suspects, "test_" + name.replace(" ", "_").replace("__", "_"), test)


for _name in CASES:
    add_case(_name, _name == "module dict")

if __name__ == "__main__":
    main()
