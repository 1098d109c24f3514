# ctest: labels=e2e;ptrace
# SPDX-License-Identifier: MIT
"""Where malloc is jemalloc, tcmalloc or mimalloc: what it gave out, what it keeps, its blocks by
size, against what it says in the process itself; its locks never keep the process or the copy."""
import glob
import json

from harness import *

DEBIAN = "/usr/bin/python3"
BLOCK, COUNT, KEPT = 3000, 20000, 401   # bytes; blocks that are made; every KEPTth stays

# Blocks of this process's malloc, most of them given back; the allocator's own words.
PRELUDE = r'''
import ctypes, gc, os, threading
_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.free.argtypes = [ctypes.c_void_p]
_size, _ref = ctypes.c_size_t, ctypes.byref
def blocks(n):
    made = [_libc.malloc(_size(%d)) for _ in range(n)]
    for b in made: ctypes.memset(b, 1, %d)
    return made
def work():
    made = blocks(%d)
    for i, b in enumerate(made):
        if i %% %d: _libc.free(b)
def elsewhere():        # of another thread
    done, ever = threading.Event(), threading.Event()
    threading.Thread(target=lambda: (blocks(700), done.set(), ever.wait()), daemon=True).start()
    done.wait()
''' % (BLOCK, BLOCK, COUNT, KEPT)

JEMALLOC = PRELUDE + r'''
def ctl(name, kind=_size):
    v, n = kind(), _size(ctypes.sizeof(kind))
    assert not _libc.mallctl(name.encode(), _ref(v), _ref(n), None, _size(0)), name
    return v.value
def figures():
    e = ctypes.c_uint64(1)
    _libc.mallctl(b"epoch", None, None, _ref(e), _size(8))
    used, page = ctl("stats.allocated"), ctl("arenas.page")
    bins = [i for i in range(ctl("arenas.nbins", ctypes.c_uint))
            if ctl("arenas.bin.%d.size" % i) == 3072]
    return {"used_bytes": used, "free_bytes": ctl("stats.active") - used,
            "idle_bytes": page * (ctl("stats.arenas.4096.pdirty") +
                                  ctl("stats.arenas.4096.pmuzzy")),
            "own_bytes": ctl("stats.metadata"), "retained_bytes": ctl("stats.retained"),
            "class.3072.used": ctl("stats.arenas.4096.bins.%d.curregs" % bins[0])}
'''

TCMALLOC = PRELUDE + r'''
def number(name):
    v = _size()
    assert _libc.MallocExtension_GetNumericProperty(name.encode(), _ref(v)), name
    return v.value
def figures():
    return {"used_bytes": number("generic.current_allocated_bytes"),
            "free_bytes": number("tcmalloc.central_cache_free_bytes") +
                          number("tcmalloc.transfer_cache_free_bytes") +
                          number("tcmalloc.thread_cache_free_bytes"),
            "idle_bytes": number("tcmalloc.pageheap_free_bytes"),
            "retained_bytes": number("tcmalloc.pageheap_unmapped_bytes")}
'''

# Of the thread that asks alone: that is what this one tells.
MIMALLOC = PRELUDE + r'''
class Area(ctypes.Structure):
    _fields_ = [("blocks", ctypes.c_void_p)] + [(n, _size) for n in
                "reserved committed used block_size".split()]
_visit = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.POINTER(Area), ctypes.c_void_p,
                          _size, ctypes.c_void_p)
_libc.mi_heap_get_default.restype = ctypes.c_void_p
_libc.mi_good_size.argtypes, _libc.mi_good_size.restype = [_size], _size
def figures():
    sums = {}
    def area(heap, a, block, size, arg):
        a = a.contents
        sums[a.block_size] = sums.get(a.block_size, 0) + a.used
        return True
    visit = _visit(area)
    _libc.mi_heap_visit_blocks(ctypes.c_void_p(_libc.mi_heap_get_default()), False, visit, None)
    size = _libc.mi_good_size(%d)
    return {"used_bytes": sum(s * n for s, n in sums.items()), "class.%%d.used" %% size: sums[size]}
''' % BLOCK

# name: library, environment that keeps what is free, the process's own words
ALLOCATORS = {
    "jemalloc": ("libjemalloc.so.2", {"MALLOC_CONF": "dirty_decay_ms:-1"}, JEMALLOC),
    "tcmalloc": ("libtcmalloc_minimal.so.4", {"TCMALLOC_RELEASE_RATE": "0"}, TCMALLOC),
    "mimalloc": ("libmimalloc.so.2", {"MIMALLOC_ALLOW_DECOMMIT": "0"}, MIMALLOC),
}
REMEDY = {"jemalloc": "dirty_decay_ms", "tcmalloc": "TCMALLOC_RELEASE_RATE",
          "mimalloc": "MIMALLOC_PURGE_DELAY"}

# A malloc that says it is jemalloc, and whose question BODY answers.
FAKE = r'''
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
extern void *__libc_malloc(size_t); extern void __libc_free(void *);
extern void *__libc_calloc(size_t, size_t); extern void *__libc_realloc(void *, size_t);
size_t malloc_usable_size(void *p) { return 0; }
void *malloc(size_t n) { return __libc_malloc(n); }
void free(void *p) { __libc_free(p); }
void *calloc(size_t a, size_t b) { return __libc_calloc(a, b); }
void *realloc(void *p, size_t n) { return __libc_realloc(p, n); }
int mallctl(const char *name, void *old, size_t *size, void *fresh, size_t n) { %s }
'''


def facts(path, jsonl):
    run_view(path, "--export", "jsonl", "-o", jsonl)
    with open(jsonl) as f:
        return json.loads(f.readline())["process"]["facts"]


class Allocators(Case):
    def snapshot(self, t, *options):
        path = self.path("%d.pymem" % t.pid)
        done = run_load("-q", "-f", path, *options, str(t.pid))
        self.assertEqual(done.returncode, 0, done.stderr)
        return path, facts(path, path + ".jsonl")

    def rows(self, path, report):
        done = run_view(path, "--no-sidecar", "--report", report, "--format", "json")
        return json.loads(done.stdout)["processes"][0]

    def with_library(self, library, env):
        if not any(os.path.exists(os.path.join(p, library)) for p in
                   glob.glob("/usr/lib/*-linux-gnu") + ["/usr/lib64", "/usr/lib"]):
            self.skipTest("no " + library)
        return dict(env, LD_PRELOAD=library)

    def check(self, name):
        library, env, words = ALLOCATORS[name]
        env = self.with_library(library, env)
        with Target(Python(DEBIAN), words + "elsewhere(); work(); gc.collect(); ready(); serve()\n",
                    env=env) as t:
            t.ask("figures()")      # what asking itself takes
            told = t.ask("figures()")
            path, said = self.snapshot(t)
            again = t.ask("figures()")
            self.assertEqual(name, said["malloc.allocator"])
            self.assertEqual(1, said["malloc.known"], said.get("malloc.note"))
            # more than the thread's own, which mimalloc tells
            more = 700 * BLOCK if name == "mimalloc" else 0
            for key, value in told.items():
                ours = said["malloc." + key]
                if name == "mimalloc" and key.startswith("class"):
                    value += 700
                elif key == "used_bytes":
                    value += more
                self.assertLess(abs(ours - value), max(abs(again[key] - told[key]), value * 0.02) +
                                (200000 if key.endswith("bytes") else 20), key)
            self.closes(path, said)
            self.keeps(path, name)

    def closes(self, path, said):
        """What is kept is in the budget as far as it is in memory, and by its size."""
        kept = said["malloc.free_bytes"] + said["malloc.idle_bytes"]
        self.assertGreater(kept, 40 << 20)
        report = self.rows(path, "budget")
        rows = {r["category"]: r for r in report["rows"]}
        said_kept = sum(rows[k]["size"] for k in ("malloc.free", "malloc.idle") if k in rows)
        self.assertGreater(said_kept, 0.9 * kept)
        self.assertLess(said_kept, 1.01 * kept)
        self.assertTrue(any(said["malloc.allocator"] in n for n in report["notes"]))
        blocks = [r for r in self.rows(path, "allocators")["rows"]
                  if r["allocator"] == said["malloc.allocator"]]
        self.assertGreater(len(blocks), 5)
        known = [r for r in blocks if r["used_bytes"] is not None]
        if known:
            used = sum(r["used_bytes"] for r in known)
            self.assertLess(abs(used - said["malloc.used_bytes"]), 0.02 * used)

    def keeps(self, path, name):
        """The first suspect is what the allocator keeps, and how that one gives it back."""
        first = self.rows(path, "suspects")["rows"][0]
        self.assertEqual("free", first["kind"])
        self.assertIn(name + ": ", first["text"])
        self.assertIn(REMEDY[name], first["remedy"])

    def test_jemalloc(self):
        self.check("jemalloc")

    def test_tcmalloc(self):
        self.check("tcmalloc")

    def test_mimalloc(self):
        self.check("mimalloc")

    def test_glibc_is_not_asked(self):
        with Target(Python(DEBIAN), "ready(); serve()\n") as t:
            said = self.snapshot(t)[1]
            self.assertNotIn("malloc.allocator", said)
            self.assertEqual(1, said["malloc.known"])

    def fake(self, body):
        path = self.path("fake.so")
        with open(self.path("fake.c"), "w") as f:
            f.write(FAKE % body)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", path, self.path("fake.c")], check=True)
        return path

    def unknown(self, body, why, *options):
        with Target(Python(DEBIAN), "ready(); serve()\n", env={"LD_PRELOAD": self.fake(body)}) as t:
            path, said = self.snapshot(t, *options)
            self.assertEqual(("jemalloc", 0), (said["malloc.allocator"], said["malloc.known"]))
            self.assertIn(why, said["malloc.note"])
            self.assertTrue(self.rows(path, "types")["complete"])
            notes = " ".join(self.rows(path, "budget")["notes"])
            self.assertIn("isn't known: jemalloc: ", notes)
            self.assertIn(why, notes)
            self.assertEqual(t.ask("6 * 7"), 42)

    def test_a_lock_that_is_held(self):
        """A question that is never answered costs its answer."""
        self.unknown("for (;;) pause();", "a lock of its own was held")

    def test_a_crash(self):
        self.unknown("abort();", "it crashed when it was asked")

    def test_never_asked_in_the_process(self):
        """Nor in a copy that the loader made."""
        self.unknown("abort();", "in a copy of the process only", "--no-fork")
        self.unknown("abort();", "in a copy that the process itself made", "--method=external")


if __name__ == "__main__":
    main()
