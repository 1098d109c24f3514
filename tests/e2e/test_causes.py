# ctest: labels=e2e;ptrace
# SPDX-License-Identifier: MIT
"""Memory that isn't Python's objects: the first line and the first suspect say whose it is."""
import json
import re

from harness import *

# name: code, what the line "memory" must hold, the first suspect's kind and what its text holds
CASES = {
    "mappings that objects own": (r'''
import mmap
class Tile:
    def __init__(self, n):
        self.mapping = mmap.mmap(-1, 4 << 20)
        self.mapping.write(b"x" * (4 << 20))
TILES = {n: Tile(n) for n in range(12)}
ready(); serve()
''', "mmap data of 12 mmap", "single", ["__main__.TILES -> dict -> 12 Tile"]),

    "free memory that malloc keeps": (r'''
blocks = [bytes(3000) + b"%d" % i for i in range(20000)]
blocks = blocks[::499]
ready(); serve()
''', " free in ", "free", ["allocators keep", "malloc_trim"]),

    "C allocations of nobody": (r'''
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for i in range(20000):
    ctypes.memset(libc.malloc(ctypes.c_size_t(2000)), 1, 2000)
ready(); serve()
''', "C allocations, unexplained", "unexplained", ["no object is known to own"]),

    "modules made while the program runs": (r'''
import sys, types
for n in range(400):
    m = types.ModuleType("plugin_%d" % n)
    exec("TABLE = [i * %d for i in range(1000, 2000)]\ndef run(x):\n    return x" % n, m.__dict__)
    sys.modules[m.__name__] = m
ready(); serve()
''', "Python objects", "group", ["sys.modules -> ", "module"]),
}


class Causes(Case):
    def view(self, file, *args):
        done = run_view(file, "--format", "json", "--no-sidecar", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["processes"][0]["rows"]

    def check(self, file, memory, kind, texts):
        row = self.view(file, "--report", "overview")[0]
        self.assertIn(memory, row["memory"])
        parts = [float(n.replace(",", "")) for n in re.findall(r"([\d,.]+) [KMG]B", row["memory"])]
        self.assertLessEqual(len(parts), 6)
        self.assertAlmostEqual(parts[0], sum(parts[1:]), places=3, msg=row["memory"])
        first = self.view(file, "--report", "suspects")[0]
        self.assertEqual(first["kind"], kind, first)
        for text in texts:
            self.assertIn(text, first["text"])

    def test_first_line_and_first_suspect(self):
        python = interpreters()[-1]
        for name, (code, memory, kind, texts) in CASES.items():
            with self.subTest(name), Target(python, code) as target:
                file = self.path(re.sub(r"\W", "-", name) + ".pymem")
                done = run_load("-q", "-f", file, str(target.pid))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.check(file, memory, kind, texts)

    def test_native_memory_is_in_all_sizes(self):
        python = interpreters()[-1]
        with Target(python, CASES["mappings that objects own"][0]) as target:
            file = self.path("sizes.pymem")
            self.assertEqual(run_load("-q", "-f", file, str(target.pid)).returncode, 0)
            types = {row["type"]: row for row in self.view(file, "--report", "types")}
            self.assertEqual(types["mmap.mmap"]["native"], 12 * (4 << 20))
            tile = self.view(file, "--report", "objects", "--type", "__main__.Tile")[0]
            self.assertGreaterEqual(tile["retained"], 4 << 20)
            tile = self.view(file, "--size", "python", "--report", "objects",
                             "--type", "__main__.Tile")[0]
            self.assertLess(tile["retained"], 4096)
            newer = self.path("grown.pymem")
            target.tell("TILES.update((n, Tile(n)) for n in range(100, 103))")
            self.assertEqual(run_load("-q", "-f", newer, str(target.pid)).returncode, 0)
            grown = self.view(newer, "--compare", file, "--report", "growth")[:3]
            for row in grown: # keys of a small dict are places of their own
                self.assertIn("TILES", row["path"])
            total = sum(row["total_diff"] for row in grown)
            self.assertGreaterEqual(total, 3 * (4 << 20))
            changed = self.view(newer, "--compare", file, "--report", "diff")[0]
            self.assertEqual(changed["type"], "mmap.mmap")
            self.assertEqual(changed["native_diff"], 3 * (4 << 20))


if __name__ == "__main__":
    main()
