# ctest: labels=e2e;ptrace cost=85
# SPDX-License-Identifier: MIT
"""The truth as a user gets it, through pymem-load and pymem-view: leaks in C are
named, native memory is counted once, the budget closes, and nothing runs in the
target."""
import json
import os
import shutil
import subprocess
import unittest

import harness
from harness import LOAD, LONG, ROOT, VIEW, Case, Target, interpreters, run_load, \
    run_view, skip_all, some_interpreters

LEAKY = os.path.join(ROOT, "tests", "targets", "leaky_ext.c")

LEAKING = r'''
import leaky_ext
class Leaked(object):
    pass
class Held(object):
    pass
leaked = [None] * 5000
for i in range(5000):
    leaked[i] = Leaked()
    leaky_ext.leak(leaked[i])
del leaked
reader = open(leaky_ext.__file__, "rb", buffering=40000)    # it gets the list's memory
leaky_ext.keep(Held())
leaky_ext.keep_text("a text that is kept, %d" % len(sys.argv))
class Boxed(object):
    pass
boxes = [leaky_ext.box(Boxed()) for i in range(10)]
# of objects that the collector does not know, nothing but the allocator knows
for i in range(500):
    leaky_ext.leak("leaked text %d" % i)
    leaky_ext.leak(1 << 100 + i)
for i in range(20):
    leaky_ext.leak(b"%d" % i * 50000)
ready()
serve()
'''

ARRAYS = r'''
import numpy
MB = 1 << 20
owners = [numpy.ones(100 * MB // 8) for i in range(4)]
owners.append(numpy.ones((5000, 2621)))     # 100 MB less 8 KB
owned = sum(a.nbytes for a in owners)
views = [a[10:-10] for a in owners] + [owners[4].T, owners[4][::-1, ::2]]
objects = numpy.array([object() for i in range(1000)], dtype=object)
ready(owned)
serve()
'''

GIL = r'''
import threading, time
def spin():
    while spinning:
        pass
spinning = True
sleeper = threading.Thread(target=time.sleep, args=(600,), name="sleeper")
sleeper.daemon = True
sleeper.start()
spinner = threading.Thread(target=spin, name="spinner")
spinner.daemon = True
spinner.start()
ready()
serve()
'''

TRAPS = r'''
import gc, sys, threading
threading.Thread(target=int).start()    # 3.6 has no interpreter lock before
COUNTS = {}
def count(what):
    COUNTS[what] = COUNTS.get(what, 0) + 1
def trap(name, result):
    def method(self, *args):
        count(name)
        return result
    return method
class Trapped(object):
    __sizeof__ = trap("__sizeof__", 1)
    __repr__ = trap("__repr__", "r")
    __str__ = trap("__str__", "s")
    __eq__ = trap("__eq__", True)
    __hash__ = trap("__hash__", 1)
    __len__ = trap("__len__", 0)
    __bool__ = trap("__bool__", True)
    __iter__ = trap("__iter__", None)
    __getattr__ = trap("__getattr__", None)
    __buffer__ = trap("__buffer__", None)
    __dir__ = trap("__dir__", [])
    def __getattribute__(self, name):
        count("__getattribute__")
        return object.__getattribute__(self, name)
class TrappedList(list):
    __sizeof__ = trap("list.__sizeof__", 1)
    __getitem__ = trap("list.__getitem__", 1)
    __len__ = trap("list.__len__", 0)
class TrappedDict(dict):
    __sizeof__ = trap("dict.__sizeof__", 1)
    __getitem__ = trap("dict.__getitem__", 1)
    keys = trap("dict.keys", [])
class Meta(type):
    def __getattribute__(cls, name):
        count("meta.__getattribute__")
        return type.__getattribute__(cls, name)
class WithMeta(metaclass=Meta):
    pass
zoo = [Trapped(), TrappedList([1]), TrappedDict(a=1), WithMeta()] * 10
gc.disable()
gc.callbacks.append(lambda phase, info: count("gc.callback"))
if hasattr(sys, "addaudithook"):
    sys.addaudithook(lambda event, args: count("audit"))
def state():
    return [dict(COUNTS), sys.getallocatedblocks(), list(gc.get_count())]
ready()
sys.setprofile(lambda frame, event, arg: count("profile"))
serve()
'''


def report(path, name):
    """The rows of a report, of the only process."""
    p = run_view("--report", name, "--format", "json", "--all", path)
    if p.returncode:
        raise AssertionError(p.stderr.decode())
    return json.loads(p.stdout.decode())["processes"][0]["rows"]


class Truth(Case):
    def capture(self, target, *options):
        path = self.path("snapshot.pymem")
        p = run_load("-q", "-f", path, *(list(options) + [target.pid]))
        self.assertEqual(0, p.returncode, p.stderr.decode())
        return path

    def test_leaking_extension_is_named_first(self):
        compiler = shutil.which("cc") or shutil.which("gcc")
        tried = 0
        for python in interpreters() if LONG else some_interpreters():
            if not python.has_headers or not compiler or python.free_threaded:
                print("no headers of %s: not tried" % python, flush=True)
                continue
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-I", python.include, LEAKY,
                            "-o", self.path("leaky_ext.so")], check=True)
            tried += 1
            with self.subTest(python=python.name), \
                    Target(python, LEAKING, env=dict(os.environ, PYTHONPATH=self.tmp)) as t:
                path = self.capture(t)
                rows = report(path, "hidden")
                self.assertEqual("__main__.Leaked", rows[0]["type"])
                # the last of them may still lie on a frame's unused value stack
                self.assertIn(rows[0]["surplus"], (4999, 5000))
                self.assertNotIn("__main__.Held", [r["type"] for r in rows])
                self.assertNotIn("__main__.Boxed", [r["type"] for r in rows])
                self.check_leaves(path)
        if not tried:
            self.skipTest("no interpreter with headers, or no compiler")

    def test_size_that_asks_for_counts(self):
        """A BytesIO counts its bytes where it alone has them: asking must not change that."""
        code = ("import io\nstreams = [io.BytesIO(b'%d' % i * 50) for i in range(4000)]\n"
                "ready()\nserve()\n")
        for python in some_interpreters(2):
            with self.subTest(python=python.name), Target(python, code) as t:
                rows = [r for r in report(self.capture(t), "sizes")
                        if r["type"] == "_io.BytesIO"]
                self.assertGreater(rows[0]["checked"], 100)
                self.assertEqual(0, rows[0]["mismatched"], rows)

    def test_holder_of_the_gil(self):
        """The thread that held the interpreter lock when the capture asked for it."""
        def holders(t, *options):
            path = self.capture(t, *options)
            rows = report(path, "threads")
            p = run_view("--no-sidecar", "--format", "json", "--sql",
                         "SELECT value FROM fact WHERE key = 'gil'", path)
            return json.loads(p.stdout.decode())["rows"][0]["value"], [
                r["thread"] for r in rows if r["what"] == "thread" and
                "held the GIL" in r.values()]
        found = [p for p in interpreters() if not p.free_threaded]
        for python in found if LONG else found[::2]:
            with self.subTest(python=python.name), Target(python, GIL) as t:
                self.assertEqual(("held", ["spinner"]), holders(t))
                self.assertEqual(("held", ["spinner"]), holders(t, "--no-fork"))
                t.tell("spinning = False\nspinner.join()")
                self.assertEqual(("free", []), holders(t))
                # the loader's copy had to take it
                self.assertEqual(("unknown", []), holders(t, "--method=external"))

    def check_leaves(self, path):
        """Leaked objects that nothing refers to, and the collector doesn't know."""
        p = run_view(path, "--export", "jsonl", "-o", "-")
        self.assertEqual(0, p.returncode, p.stderr.decode())
        texts, numbers, large, held, boxed = set(), 0, 0, [], []
        for line in p.stdout.decode("utf-8", "replace").splitlines():
            row = json.loads(line)
            if row.get("root", {}).get("kind") == "c_static":
                held.append(row["root"]["name"])
            if "refs" not in row:
                continue
            if str(row.get("value")).startswith("leaked text ") and "%" not in row["value"]:
                texts.add(row["value"])
            if row["type"] == "leaky_ext.Box":
                boxed += [ref["label"] for ref in row["refs"]]
            numbers += row["type"] == "builtins.int" and row["size"] >= 36
            large += row["type"] == "builtins.bytes" and row["size"] > 50000
        # a field of a type without tp_traverse
        self.assertEqual(["+24?"] * 10, boxed)
        # the variable, and offsets of those that have no symbol
        self.assertIn("leaky_ext.so:kept", held)
        self.assertIn("leaky_ext.so:kept_text", held)
        self.assertTrue(all(":" in name or "+0x" in name for name in held), held)
        self.assertEqual(500, len(texts))
        # a number that became much smaller than its block is not told from garbage
        self.assertGreaterEqual(numbers, 480)
        self.assertGreaterEqual(large, 20)

    def test_numpy_memory_is_counted_once(self):
        found = [p for p in interpreters() if subprocess.run(
            [p.path, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode == 0]
        if not found:
            self.skipTest("no interpreter with numpy")
        with Target(found[0], ARRAYS) as t:
            path = self.capture(t)
            arrays = [r for r in report(path, "types") if r["type"] == "numpy.ndarray"][0]
            overview = report(path, "overview")[0]
            budget = report(path, "budget")
            maps = report(path, "maps")
            self.assertGreaterEqual(arrays["size"], t.greeting)
            self.assertLess(arrays["size"], t.greeting * 1.01)
            total = sum(r["size"] for r in budget)
            rss = sum(m["rss"] for m in maps)
            self.assertLess(abs(total - rss), rss * 0.03)
            self.assertLess(abs(overview["rss"] - rss), rss * 0.03)
            # arrays are instances whose size includes their memory
            instances = [r for r in budget if r["category"] == "objects.instances"][0]
            self.assertGreaterEqual(instances["size"], t.greeting)
            self.assertLess(instances["size"], t.greeting * 1.02)
            arrays = [r for r in report(path, "native") if r["type"] == "numpy.ndarray"]
            owned = [r for r in arrays if r["role"] == "owner" and r["size"] > 1 << 20]
            views = [r for r in arrays if r["role"] == "view" and r["size"] > 1 << 20]
            self.assertEqual(t.greeting, sum(r["size"] for r in owned))
            self.assertEqual(7, len(views))
            for view in views:
                self.assertIn(view["owner"], [r["address"] for r in owned])

    def test_probes(self):
        """Probes of the user: a field, and a function called in the copy."""
        probes = self.path("my.probes")
        with open(probes, "w") as f:
            f.write("""# two kinds of probes, and a flaw
                probe field.test
                  type = __main__.Handle
                  data = [[obj + 16]] - 1     # what the first slot refers to: its count less one
                  length = 4000 + 96
                probe call.test
                  type = builtins.bytearray
                  library = libc.so
                  symbol = malloc_usable_size
                  signature = L:p
                  arguments = [obj + 32]
                  data = [obj + 32]
                  length = result
                probe flawed.test
                  type = builtins.int
                  data = [obj
                  length = 1
                """)
        # 3.15 keeps a bytearray's memory elsewhere
        python = [p for p in interpreters() if p.version < (3, 15)][-1]
        code = ("class Handle(object):\n    __slots__ = ('first',)\n"
                "handle = Handle()\nhandle.first = object()\nKEEP = [handle.first]\n"
                "data = bytearray(100000)\nready()\nserve()\n")
        with Target(python, code) as t:
            path = self.capture(t, "--probes", probes)
            by_source = {r["source"]: r for r in report(path, "native")}
            self.assertEqual(4096, by_source["field.test"]["size"])
            self.assertIn(by_source["call.test"]["size"], range(100001, 100100))
            errors = json.dumps(report(path, "errors"))
            self.assertIn("probe flawed.test: an expression can't be understood", errors)

    def test_built_in_probes(self):
        """Pillow's images and lxml's documents, where these packages are."""
        cases = (
            ("import PIL.Image", "im = PIL.Image.new('RGB', (1000, 500))",
             "pillow.image", 2000000, 2000000),
            # a node of libxml2 has 120 bytes, its text node and attribute as many
            ("import lxml.etree", "doc = lxml.etree.fromstring('<a>' + "
             "''.join('<b x=\"%d\">text</b>' % i for i in range(1000)) + '</a>')",
             "lxml.document", 300000, 800000),
            # ... and a text of 500 bytes is one allocation more
            ("import lxml.etree", "doc = lxml.etree.fromstring('<a>' + "
             "('<b>%s</b>' % ('text ' * 100)) * 1000 + '</a>')",
             "lxml.document", 700000, 1000000),
        )
        tried = 0
        for python in interpreters():
            for load, make, source, least, most in cases:
                if subprocess.run([python.path, "-c", load],
                                  stderr=subprocess.DEVNULL).returncode:
                    continue
                tried += 1
                with self.subTest(python=python.name, source=source), \
                        Target(python, "%s\n%s\nready()\nserve()\n" % (load, make)) as t:
                    rows = [r for r in report(self.capture(t), "native")
                            if r["source"] == source]
                    self.assertEqual(1, len(rows))
                    self.assertTrue(least <= rows[0]["size"] <= most, rows)
        if not tried:
            self.skipTest("no interpreter with Pillow or lxml")

    def test_no_code_runs_in_the_target(self):
        for python in some_interpreters(9 if LONG else 2):
            for options in ((), ("--no-fork",)):
                with self.subTest(python=python.name, options=options), \
                        Target(python, TRAPS) as t:
                    for i in range(3):
                        before = t.ask("state()")
                    again = t.ask("state()")
                    self.capture(t, *options)
                    after = t.ask("state()")
                    for name in set(before[0]) | set(after[0]):
                        self.assertEqual(again[0].get(name, 0) - before[0].get(name, 0),
                                         after[0].get(name, 0) - again[0].get(name, 0), name)
                    self.assertEqual(again[1] - before[1], after[1] - again[1], "blocks")
                    self.assertEqual([b - a for a, b in zip(before[2], again[2])],
                                     [b - a for a, b in zip(again[2], after[2])], "gc counts")

    def test_explained(self):
        """Libraries that real programs load."""
        for modules, share in ((("asyncio", "json", "dataclasses", "http.server", "sqlite3",
                                 "xml.etree.ElementTree", "decimal"), 0.99),
                               (("numpy", "pandas"), 0.98), (("sqlalchemy",), 0.99),
                               (("django.db.models", "django.http"), 0.99),
                               (("scipy.optimize", "scipy.stats"), 0.9935)):
            for python in interpreters() if LONG else some_interpreters():
                code = "".join("import %s\n" % m for m in modules)
                if subprocess.run([python.path, "-c", code], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL).returncode:
                    continue
                with self.subTest(python=python.name, modules=modules), \
                        Target(python, code + "ready()\nserve()\n") as t:
                    path = self.capture(t)
                    row = report(path, "overview")[0]
                    print("%s with %s: %.3f %% explained" % (
                        python.name, modules[0], 100 * row["explained_share"]), flush=True)
                    self.assertGreaterEqual(row["explained_share"], share,
                                            report(path, "hidden")[:8])
                    self.assertEqual(0, row["sizes_mismatched"], report(path, "sizes"))


if __name__ == "__main__":
    if not os.path.exists(LOAD) or not os.path.exists(VIEW):
        skip_all("pymem-load and pymem-view were not built")
    harness.main()
