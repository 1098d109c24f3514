# ctest: labels=e2e;ptrace
# SPDX-License-Identifier: MIT
"""The report tasks: every asyncio task with its calls and the lines they stand at, what it
waits for and who awaits it."""
import json
import re

from harness import *

CODE = r'''
import asyncio
class Queue(asyncio.Queue):
    pass
class Own(asyncio.Task):
    pass
class Awaitable:
    def __await__(self):
        return (yield from asyncio.get_event_loop().create_future().__await__())
async def inner(q):
    await q.get()
async def outer(q, n):
    body = ["line %d" % n] * 1000
    await inner(q)
async def sleeper():
    await asyncio.sleep(3600)
async def waits(task):
    await task
async def gathers():
    await asyncio.gather(sleeper(), sleeper(), sleeper())
async def waits_all():
    await asyncio.wait([asyncio.ensure_future(waited()) for n in range(2)])
async def waits_for():
    await asyncio.wait_for(asyncio.ensure_future(timed()), 3600)
async def completes():
    for one in asyncio.as_completed([asyncio.ensure_future(completed())]):
        await one
async def shields():
    await asyncio.shield(asyncio.ensure_future(shielded()))
async def groups():
    async with asyncio.TaskGroup() as group:
        for n in range(2):
            group.create_task(grouped())
async def waited():
    await asyncio.sleep(3600)
timed = completed = shielded = grouped = None
for name in ("timed", "completed", "shielded", "grouped"):
    exec("async def %s():\n    await asyncio.sleep(3600)" % name)
async def generator():
    await asyncio.sleep(3600)
    yield 1
async def iterates():
    async for one in generator():
        pass
async def awaits():
    await Awaitable()
async def ends():
    return "result"
def stands(task):
    lines, call = [], task._coro
    while call is not None:
        frame = getattr(call, "cr_frame", None) or getattr(call, "gi_frame", None)
        if frame is None:
            break
        lines.append(frame.f_lineno)
        call = getattr(call, "cr_await", None) or getattr(call, "gi_yieldfrom", None)
    return lines
async def main():
    global LINES
    loop = asyncio.get_event_loop()
    q = Queue()
    start = asyncio.ensure_future
    kept = [start(outer(q, n)) for n in range(20)]
    kept += [start(waits(kept[0])), start(gathers()), start(iterates()), start(awaits()),
             start(ends()), Own(sleeper(), loop=loop),
             start(waits_all()), start(waits_for()), start(completes()), start(shields())]
    if hasattr(asyncio, "TaskGroup"):
        kept.append(start(groups()))
    for turn in range(5):
        await asyncio.sleep(0)
    kept.append(start(inner(q)))    # has not begun
    LINES = [[id(task), stands(task)] for task in kept]
    ready(); serve()
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
'''
GREENLETS = r'''
import gevent
from gevent.event import Event
event = Event()
def inner(n):
    body = ["line %d" % n] * 1000
    event.wait()
def work(n):
    x = n
    inner(n)
def ends(n):
    return n
kept = [gevent.spawn(work, n) for n in range(5)]
ended = [gevent.spawn(ends, n) for n in range(7)]
gevent.joinall(ended)
later = [gevent.spawn_later(3600, work, n) for n in range(3)]
unborn = [gevent.Greenlet(work, n) for n in range(2)]
ready(); serve()
'''
WAITING = r'''
import gevent
from gevent import event, lock, queue, socket
happens, result, queued, full, channel = (event.Event(), event.AsyncResult(), queue.Queue(),
                                          queue.Queue(1), queue.Channel())
full.put(1)
entry, again, joined = lock.BoundedSemaphore(1), lock.RLock(), queue.JoinableQueue()
entry.acquire(); again.acquire(); joined.put(1)
reading, writing = socket.socketpair()
other = gevent.spawn(gevent.sleep, 3600)
def w_event(): happens.wait()
def w_event_a_while(): happens.wait(3600)
def w_result(): result.get()
def w_get(): queued.get()
def w_get_a_while(): queued.get(timeout=3600)
def w_put(): full.put(2)
def w_channel(): channel.get()
def w_entry(): entry.acquire()
def w_again(): again.acquire()
def w_joined(): joined.join()
def w_other(): other.join()
def w_all(): gevent.joinall([other])
def w_sleep(): gevent.sleep(3600)
def w_read(): reading.recv(1)
direct = gevent.spawn(happens.wait)     # without a frame of Python's
ended = [gevent.spawn(len, "abc"), gevent.spawn(len)]
gevent.joinall(ended)
kept = [gevent.spawn(value) for name, value in sorted(globals().items()) if name[:2] == "w_"]
gevent.sleep(0.1)
ready(); serve()
'''
NAMES = r'''
import asyncio
async def child():
    await asyncio.sleep(3600)
async def parent():
    await asyncio.gather(*[child() for n in range(5)])
async def main():
    loop = asyncio.get_event_loop()
    loop.call_later(3600, print)
    loop.call_later(0.2, ready)
    await parent()
asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())
'''

MACHINERY = r'''
import asyncio
KEPT = []
class Shop:
    def __init__(self):
        self.jobs, self.lock, self.event = asyncio.Queue(), asyncio.Lock(), asyncio.Event()
        self.condition, self.places = asyncio.Condition(), asyncio.Semaphore(1)
async def takes(shop): await shop.jobs.get()
async def locks(shop): await shop.lock.acquire()
async def happens(shop): await shop.event.wait()
async def holds(shop):
    async with shop.condition: await shop.condition.wait()
async def enters(shop): await shop.places.acquire()
async def sleeps(shop): await asyncio.sleep(3600)
async def reads(shop): await asyncio.StreamReader().read(1)
async def never(shop): await asyncio.get_event_loop().create_future()
async def ends(): pass
def two():
    hidden = asyncio.Queue()
    async def hides(): await hidden.get()
    return [hides(), hides()]
async def main():
    rows = ["row %d" % n for n in range(20000)]
    other = ["other row %d" % n for n in range(7000)]
    shop = Shop()
    await shop.lock.acquire(); await shop.places.acquire()
    tasks = [asyncio.ensure_future(f(shop))
             for f in (takes, locks, happens, holds, enters, sleeps, reads, never)]
    tasks += [asyncio.ensure_future(coroutine) for coroutine in two()]
    for n in range(120):        # many, but small
        tasks.append(asyncio.ensure_future(takes(shop)))
    # so the program itself leads to the event loop
    KEPT.append(asyncio.ensure_future(ends()))
    asyncio.get_event_loop().call_later(0.2, ready)
    await asyncio.sleep(3600)
if hasattr(asyncio, "run"):
    asyncio.run(main())         # which has the coroutine in a variable, too
else:
    asyncio.get_event_loop().run_until_complete(main())
'''

INTO = " \u203a "


class Tasks(Case):
    def rows(self, python, code):
        file = self.file = self.path("tasks%d.%d.pymem" % python.version[:2])
        with Target(python, code) as target:
            done = run_load("-q", "-f", file, str(target.pid))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.lines = dict(target.ask("LINES")) if "LINES" in code else {}
        done = run_view(file, "--no-sidecar", "--report", "tasks", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = run_view(file, "--no-sidecar", "--report", "tasks")
        rows = json.loads(done.stdout)["processes"][0]["rows"]
        for row in rows:    # "f() (file.py:12)"
            row["lines"] = [int(n) for n in re.findall(r" \([^ :]+:(\d+)\)", row["stack"])]
            row["stack"] = re.sub(r" \([^ :]+:\d+\)", "", row["stack"])
        return rows, text.stdout.decode()

    def check_lines(self, rows):
        """Each call stands where the interpreter says that it does."""
        rows = {row["address"]: row for row in rows}
        for task, lines in self.lines.items():
            self.assertEqual(rows[task]["lines"][:len(lines)], lines, rows[task])
            self.assertEqual(len(rows[task]["lines"]), len(rows[task]["stack"].split(INTO))
                             if lines else 0)
        self.assertGreater(max(map(len, self.lines.values())), 2)

    def check(self, rows):
        by = {}
        for row in rows:
            by.setdefault(row["stack"], []).append(row)
        alike = by[INTO.join(["outer()", "inner()", "Queue.get()"])]
        self.assertEqual(len(alike), 20)
        for row in alike:
            self.assertEqual((row["alike"], row["state"], row["waits_for"]),
                             (20, "waiting", alike[0]["waits_for"]))
            self.assertRegex(row["waits_for"], "^Queue .*q$")
            self.assertNotIn("cell", row["waits_for"])
            self.assertGreater(row["retained"], 8000)
            self.assertEqual(row["alike_retained"], sum(r["retained"] for r in alike))
        awaited = [row for row in alike if row["awaited_by"]]
        self.assertEqual(len(awaited), 1)
        one = by["waits()"][0]
        self.assertEqual((one["waits_for"], awaited[0]["awaited_by"]),
                         (awaited[0]["task"], one["task"]))
        gathers = by["gathers()"][0]
        self.assertEqual(gathers["waits_for"], "_GatheringFuture of 3")
        self.assertEqual([row["waits_for"] for row in by["awaits()" + INTO +
                                                         "Awaitable.__await__()"]], ["Future"])
        sleepers = by["sleeper()" + INTO + "sleep()"]
        self.assertEqual(sorted(str(row["awaited_by"]) for row in sleepers),
                         sorted([gathers["task"]] * 3 + ["None"]))
        task = {row["stack"].split(INTO)[0]: row["task"] for row in rows}
        pairs = [("waited()", "waits_all()", 2), ("timed()", "waits_for()", 1),
                 ("completed()", "completes()", 1), ("shielded()", "shields()", 1)]
        if "groups()" in task:
            pairs.append(("grouped()", "groups()", 2))
        for callee, caller, count in pairs:
            self.assertEqual([row["awaited_by"] for row in rows
                              if row["stack"].startswith(callee)], [task[caller]] * count, callee)
        self.assertIn("__main__.Own", [row["type"] for row in sleepers])
        self.assertIn(INTO.join(["iterates()", "generator()", "sleep()"]), by)
        self.assertIn(INTO.join(["awaits()", "Awaitable.__await__()"]), by)
        self.assertEqual([r["state"] for r in by["ends()"]], ["done"])
        self.assertEqual([r["state"] for r in by["inner()"]], ["ready"])

    def check_groups(self, rows, text):
        """Those that are alike are one row, the largest group first, with an example."""
        shown = [line.split() for line in text.splitlines()[2:] if line]
        self.assertEqual(shown[0][2], "20", text)
        self.assertEqual(shown[0][5:7], ["e.g.", "task"], text)
        self.assertEqual(text.count("outer() "), 1, text)
        self.assertIn(", not all ", text.splitlines()[2])   # one of them is awaited
        self.assertEqual(sum(int(words[2]) for words in shown), len(rows), text)
        alike = [row for row in rows if row["alike"] == 20]
        done = run_view(self.file, "--no-sidecar", "--report", "tasks", "--object",
                        hex(alike[3]["address"]), "--format", "json", "--limit", "100")
        members = json.loads(done.stdout)["processes"][0]["rows"]
        self.assertEqual(sorted(row["address"] for row in members),
                         sorted(row["address"] for row in alike))

    def test_tasks(self):
        for python in some_interpreters(2):
            with self.subTest(python=python.name):
                rows, text = self.rows(python, CODE)
                self.check(rows)
                self.check_lines(rows)
                self.check_groups(rows, text)

    def paths(self, words):
        done = run_view(self.file, "--no-sidecar", "--report", "objects", "--all", "--format",
                        "json", "--filter", words)
        return json.loads(done.stdout)["processes"][0]["rows"]

    def test_names(self):
        """What a task holds is called by the task, not by how the event loop came by it."""
        for python in some_interpreters(2):
            with self.subTest(python=python.name):
                self.rows(python, NAMES)
                mine = [row["path"] for row in self.paths("closure children")
                        if row["path"].endswith("closure children")]
                if python.version >= (3, 7):    # before, gather's callback has no children
                    self.assertGreater(len(mine), 0)
                for path in mine:
                    self.assertRegex(path, "^task [^ ]+" + INTO + "done callback _?gather.*"
                                     "_done_callback" + INTO + "closure children$")
                timers = [row["path"] for row in self.paths("TimerHandle")
                          if row["type"] == "asyncio.events.TimerHandle"]
                self.assertGreater(len(timers), 0)
                for path in timers:     # one that was cancelled has no callback any more
                    self.assertRegex(path, "^event loop [^ ]+" + INTO + "timer( |$)|^task ")
                self.assertEqual(self.paths("callback0"), [])

    def test_machinery(self):
        """What asyncio's own coroutines wait for is told by name; the task that a program
        consists of keeps what its coroutine does; names don't lead through an event loop.
        A coroutine's variables are told apart as a module's are."""
        for python in some_interpreters(2):
            with self.subTest(python=python.name):
                rows, text = self.rows(python, MACHINERY)
                by = {row["stack"].split("()")[0]: row for row in rows}
                self.assertRegex(by.pop("two.<locals>.hides")["waits_for"],
                                 "^Queue [^ ]+%sclosure hidden$" % INTO)
                self.assertEqual(
                    {name: row["waits_for"] for name, row in by.items()},
                    {"takes": "Queue Shop.jobs", "locks": "Lock Shop.lock",
                     "happens": "Event Shop.event", "holds": "Condition Shop.condition",
                     "enters": "Semaphore Shop.places", "sleeps": "timer", "main": "timer",
                     "reads": "StreamReader", "never": "Future", "ends": None})
                self.assertGreater(by["main"]["retained"], 20000 * 50)
                said = run_view(self.file, "--no-sidecar").stdout.decode()
                for name in "rows", "other":
                    self.assertRegex(said, r"suspect \d: .*: task [^ ]+%smain\(\) \([^)]*\)%s%s "
                                     "-> list" % (INTO, INTO, name))
                self.assertNotIn("_loop", said)
                for page in said, run_view(self.file, "--no-sidecar", "--report", "inspections",
                                           "--limit", "99", "--all").stdout.decode():
                    if "tasks and greenlets that wait" in page:
                        self.assertRegex(page, r"task [^ ]+%stakes\(\).*%sQueue\.get\(\)"
                                         % (INTO, INTO))
                        break
                else:
                    self.fail(said)

    def test_greenlets(self):
        python = next((p for p in interpreters() if not subprocess.run(
            [p.path, "-c", "import gevent"], stderr=subprocess.DEVNULL).returncode), None)
        if not python:
            self.skipTest("no interpreter here has gevent")
        rows, text = self.rows(python, GREENLETS)
        source = (Target.PRELUDE + GREENLETS).splitlines()
        line_numbers = [1 + source.index("    " + call) for call in ("inner(n)", "event.wait()")]
        alike = [row for row in rows if row["stack"] == "work()" + INTO + "inner()"]
        self.assertEqual(len(alike), 5)
        for row in alike:
            self.assertEqual((row["alike"], row["state"]), (5, "waiting"))
            self.assertGreater(row["retained"], 8000)
            self.assertEqual(row["lines"], line_numbers)
        if python.version >= (3, 11):   # each has a stack for its frames
            done = run_view(self.file, "--no-sidecar", "--report", "native", "--all",
                            "--format", "json")
            stacks = [row["address"] for row in json.loads(done.stdout)["processes"][0]["rows"]
                      if row["source"] == "frame"]
            self.assertEqual(len(set(stacks)), len(stacks))
            self.assertLessEqual({row["address"] for row in alike}, set(stacks))
        others = [row["state"] for row in rows if not row["stack"]
                  and row["type"] == "gevent._gevent_cgreenlet.Greenlet"]
        self.assertEqual(sorted(others), ["done"] * 7 + ["ready"] * 5)

    def test_greenlets_wait(self):
        """For what, and by which name, with gevent compiled and not."""
        python = next((p for p in interpreters() if not subprocess.run(
            [p.path, "-c", "import gevent"], stderr=subprocess.DEVNULL).returncode), None)
        if not python:
            self.skipTest("no interpreter here has gevent")
        wanted = {"event": "Event __main__.happens", "event_a_while": "Event __main__.happens",
                  "result": "AsyncResult __main__.result", "get": "Queue __main__.queued",
                  "get_a_while": "Queue __main__.queued", "put": "Queue __main__.full",
                  "channel": "Channel __main__.channel", "other": "Greenlet __main__.other",
                  "all": "Greenlet __main__.other", "entry": "BoundedSemaphore __main__.entry",
                  "again": "Semaphore again._block", "sleep": "timer"}
        for settings in {}, {"PURE_PYTHON": "1"}:
            with self.subTest(settings=settings):
                rows, text = self.rows(python, "import os\nos.environ.update(%r)\n%s"
                                       % (settings, WAITING))
                by = {call.group(1): row["waits_for"].replace("_Atomic", "") for row in rows
                      for call in [re.search(r"w_(\w+)\(\)", row["stack"])] if call}
                self.assertEqual({name: by[name] for name in wanted}, wanted)
                self.assertTrue(by["joined"].startswith("Event joined."), by)
                self.assertTrue(by["read"].startswith("io"), by)
                others = [(row["state"], row["waits_for"]) for row in rows
                          if row["type"].endswith(".Greenlet") and "w_" not in row["stack"]
                          and "sleep()" not in row["stack"]]
                self.assertEqual(sorted(others, key=str), [
                    ("done", None), ("done", None), ("waiting", "Event __main__.happens")])
                awaited = [row["awaited_by"] for row in rows
                           if "sleep()" in row["stack"] and row["awaited_by"]]
                self.assertEqual(len(awaited), 1)
                self.assertTrue(awaited[0].startswith("Greenlet "), awaited)

    def test_none(self):
        rows, text = self.rows(interpreters()[-1], "ready(); serve()")
        self.assertEqual(rows, [])
        self.assertIn("no asyncio tasks", text)


if __name__ == "__main__":
    main()
