# ctest: labels=e2e;ptrace cost=30
# SPDX-License-Identifier: MIT
"""Memory that C code took from malloc has an owner: the Python object that leads to it;
the standard library's C structures have no description anywhere."""
import json

from harness import Case, Target, main, run_load, run_view, some_interpreters
from nativetarget import capture, native_target


class Native(Case):
    def each(self, setup, body, name, since=(3, 6)):
        for python in some_interpreters(2):
            if python.version < since:
                continue
            with self.subTest(python=python.name), native_target(python, setup, body) as t:
                said = capture(self, t)
                self.assertEqual(1, said.facts["malloc.known"])
                self.near(said.of(*name), t.greeting)
                for b in said.buffers:
                    if "inferred" in b.get("flags", []):
                        self.assertIn(b["object"], said.types)
                        self.assertGreater(b["chunks"], 0)
                        like = said.count[said.types[b["object"]]]
                        self.assertLessEqual(b.get("sharers", 0), like)

    def test_buffers_of_a_stream(self):
        """A structure with some large buffers that were never cleared."""
        self.each("import zlib\nzlib.compressobj()\n",
                  "packers = [zlib.compressobj() for _ in range(12)]\n", ["Compress"])

    def test_deep_structure(self):
        """Trees, lists and hash tables of many small allocations."""
        self.each("import ssl\nssl.create_default_context()\n",
                  "contexts = [ssl.create_default_context() for _ in range(4)]\n",
                  ["SSLContext", "_SSLContext"])

    def test_parts_that_point_to_the_whole(self):
        """Statements lead to all that their connection has, but are only parts of it.
        Open: up to 3.10 a Statement made in recycled memory, never cleared, leads to another
        connection's memory by a stale pointer, and is taken for its owner."""
        self.each("import sqlite3\nc = sqlite3.connect(':memory:')\n"
                  "c.execute('select 1')\nc.close()\n",
                  "bases = [sqlite3.connect(':memory:') for _ in range(2)]\n"
                  "for b in bases:\n"
                  "    b.execute('create table t (a text)')\n"
                  "    b.executemany('insert into t values (?)',\n"
                  "                  (('row %d ' % i * 60,) for i in range(5000)))\n"
                  "    b.commit()\n"
                  "cursor = b.execute('select * from t')\n_ = cursor.fetchone()\n",
                  ["Connection"], since=(3, 11))

    def test_addresses_that_ints_are(self):
        """What ctypes gives for a pointer is an int: the int is all that leads to it."""
        self.each("_libc.malloc.restype = ctypes.c_void_p\n",
                  "def tree(leaves):\n"
                  "    parts = [_libc.malloc(ctypes.c_size_t(3000)) for _ in range(leaves)]\n"
                  "    whole = _libc.malloc(ctypes.c_size_t(8 * leaves))\n"
                  "    ctypes.memmove(whole, (ctypes.c_void_p * leaves)(*parts), 8 * leaves)\n"
                  "    return whole\n"
                  "trees = [tree(40) for _ in range(50)]\n", ["int"])

    def test_what_was_there_before(self):
        """A datetime without tzinfo has rests of other objects in tzinfo's place."""
        body = ("import datetime\n"
                "_libc.malloc.restype = ctypes.c_void_p\n"
                "block = _libc.malloc(ctypes.c_size_t(3000000))\n"
                "times = [datetime.datetime(2020, 1, 1) for _ in range(200)]\n"
                "for t in times:\n"
                "    ctypes.c_uint64.from_address(id(t) + 40).value = block\n"
                "del block\n")
        for python in some_interpreters():
            with self.subTest(python=python.name), native_target(python, "", body) as t:
                said = capture(self, t)
                self.assertEqual(said.of("datetime"), 0)

    def test_arena_of_several_heaps(self):
        """A thread's arena is heaps of 64 MiB each; one that is full ends differently."""
        self.each("import threading\n_libc.malloc.restype = ctypes.c_void_p\n",
                  "def fill():\n"
                  "    blocks.extend(_libc.malloc(ctypes.c_size_t(100000)) for _ in range(2000))\n"
                  "blocks = []\n"
                  "thread = threading.Thread(target=fill)\n"
                  "thread.start(); thread.join()\n", ["int"])

    def test_frames_of_a_deep_recursion(self):
        """Since 3.11 frames lie in memory of the interpreter's own, the data stack."""
        body = ("import sys, threading\n"
                "sys.setrecursionlimit(10 ** 6)\n"
                "threading.stack_size(256 << 20)\n"
                "reached, go_on = threading.Event(), threading.Event()\n"
                "def down(n, a=1, b=2, c=3, d=4):\n"
                "    if not n:\n"
                "        reached.set()\n"
                "        go_on.wait()\n"
                "        return 0\n"
                "    return down(n - 1)\n"
                "thread = threading.Thread(target=down, args=(60000,), daemon=True)\n"
                "thread.start()\n"
                "reached.wait()\n")
        for python in some_interpreters(2):
            if python.version < (3, 11):
                continue
            with self.subTest(python=python.name), native_target(python, "", body) as t:
                path = self.path(python.name)
                self.assertEqual(run_load("-q", "-f", path, t.pid).returncode, 0)
                rows = json.loads(run_view(path, "--no-sidecar", "--report", "budget",
                                           "--format", "json").stdout)["processes"][0]["rows"]
                size = {row["category"]: row["size"] for row in rows}
                self.assertGreater(size["frames"], 60000 * 100)     # twelve words or more
                self.assertLess(size["frames"], 60000 * 300)
                self.assertLess(size.get("unexplained", 0), 2 << 20)

    def test_memory_never_written_to(self):
        """What lies in pages that aren't there takes no memory, though it is in one mapping
        with what was written: by bytes (their head is there), anonymous maps, between.
        Reading it gives it the kernel's page of zeros, which is no memory either, and which
        no fork left to share."""
        body = ("_libc.prctl(41, 1, 0, 0, 0)   # no huge pages\n"
                "untouched, written, between = [], [], []\n"
                "for i in range(12):\n"
                "    untouched.append(bytes(2 << 20))\n"
                "    if i % 2: untouched[-1].count(b'x')\n"
                "    written.append(b'x' * (1 << 20))\n"
                "    between.append(bytearray(b'y' * (1 << 19)))\n")
        for python in some_interpreters(2):
            with self.subTest(python=python.name), native_target(python, "", body) as t:
                path = self.path(python.name)
                self.assertEqual(run_load("-q", "-f", path, t.pid).returncode, 0)
                view = lambda *args: json.loads(run_view(
                    path, "--no-sidecar", "--format", "json", *args).stdout)["processes"][0]
                size = {row["title"]: row["size"] for row in view("--report", "budget")["rows"]}
                all_bytes, arrays = size["live objects: bytes"], size["live objects: bytearray"]
                if python.version >= (3, 15):   # the bytes of a bytearray are bytes
                    arrays = all_bytes - (12 << 20)
                    all_bytes -= arrays
                self.assertGreaterEqual(all_bytes, 12 << 20)
                self.assertLess(all_bytes, 15 << 20)     # and the interpreter's own
                self.assertGreaterEqual(arrays, 6 << 20)
                self.assertLess(arrays, 8 << 20)
                self.assertGreater(size["live objects: str"], 0)
                said = run_view(path, "--no-sidecar").stdout.decode()
                self.assertRegex(said, r"not in memory: 2[34]\.\d+ MiB of what objects have")
                self.assertIn("suspect 1: 12.00 MiB", said)
                self.assertIn("__main__.written -> list -> 12 bytes", said)
                self.assertNotIn("__main__.untouched", said.split("Types:")[0])
                self.assertNotIn("fork:", said)
                self.assertNotIn("private to this process", said)

    def near(self, said, truth):
        self.assertGreater(said, truth * 0.9)
        self.assertLess(said, truth * 1.1 + 200000)     # and what came with the first one

    def test_forked_worker(self):
        """A child whose [heap] is two mappings: what is in use and what is free of it."""
        body = ("_libc.malloc.restype = ctypes.c_void_p\n"
                "if os.fork(): os.wait(); os._exit(0)\n"
                "blocks = [_libc.malloc(ctypes.c_size_t(1000)) for _ in range(20000)]\n"
                "for b in blocks: ctypes.memset(b, 1, 1000)\n"
                "for b in blocks[::2]: _libc.free(ctypes.c_void_p(b))\n"
                "blocks = [hex(b) for b in blocks]\n")
        for python in some_interpreters(1):
            with self.subTest(python=python.name), native_target(python, "", body) as t:
                t.pid = t.ask("os.getpid()")
                said = capture(self, t)
                self.assertEqual(1, said.facts["malloc.known"])
                free = t.ask("_libc.mallinfo2().fordblks")
                ours = said.facts["malloc.free_bytes"] + said.facts["malloc.top_bytes"] + \
                    said.facts["malloc.cached_bytes"]
                self.assertGreater(said.facts["malloc.free_bytes"], 9 * 10**6)
                self.assertLess(abs(ours - free), 300000)
                rows = [c for c in said.chunks if not c["holder"] and not c["name"]]
                self.assertGreater(sum(c["count"] for c in rows if 1008 <= c["size"] < 2016), 9900)

    def test_objects_that_nobody_holds(self):
        """Code objects that C code forgot (Cython's): no pointer leads to them, and only their
        type knows their size; what they refer to is theirs."""
        code = ("import ctypes\n"
                "for i in range(300):\n"
                "    c = compile('f(%d, name_%d)' % (i + 1000, i), 'forgotten.py', 'eval')\n"
                "    ctypes.pythonapi.Py_IncRef(ctypes.py_object(c))\n"
                "del c\nready(); serve()\n")
        for python in some_interpreters():
            with self.subTest(python=python.name), Target(python, code) as t:
                path = self.path("%d.pymem" % t.pid)
                run_load("-q", "-f", path, str(t.pid))
                done = run_view(path, "--no-sidecar", "--format", "csv", "--sql",
                                "SELECT count(*), sum(refs) FROM (SELECT address, (SELECT count(*) "
                                "FROM ref WHERE source = address) refs FROM object WHERE type = "
                                "'builtins.code' AND root LIKE 'C code%')")
                found, refs = done.stdout.decode().split()[-1].split(",")
                self.assertGreaterEqual(int(found), 299)     # one may lie on a stack still
                self.assertGreater(int(refs), 1500)


if __name__ == "__main__":
    main()
