# ctest: labels=e2e cost=56
# SPDX-License-Identifier: MIT
"""The walk tells the truth: compares what it finds in a zoo of every kind of
object (tests/targets/zoo.py) with what the zoo itself says, on every interpreter."""
import json
import os
import subprocess
import unittest

import harness
from harness import BUILD, ROOT, Case, interpreters, skip_all, some_interpreters
import walktrace

DRIVER = os.path.join(BUILD, "lib", "walk_driver.so")
ZOO = os.path.join(ROOT, "tests", "targets", "zoo.py")
KINDS = {"attr": walktrace.ATTR, "key": walktrace.KEY, "value": walktrace.VALUE,
         "index": walktrace.INDEX, "element": walktrace.ELEMENT, "local": walktrace.LOCAL,
         "cell": walktrace.CELL, "weak": walktrace.WEAK, "dict": walktrace.DICT}
VALUES = {"str": 1, "bytes": 2, "int": 3, "float": 4, "bool": 5, "name": 6}

GREENLETS = r"""
import ctypes, json, sys
import gevent, gevent.event
class Marker(object):
    pass
event = gevent.event.Event()
said = []
def inner(given):
    inner_local = Marker()
    said.append(["inner_local", id(inner_local)])
    event.wait()
    return inner_local
def worker(number):
    outer_local = [Marker(), number]
    said.append(["outer_local", id(outer_local)])
    return inner(outer_local)
greenlets = [gevent.spawn(worker, i) for i in range(20)]
gevent.sleep(0)
with open(sys.argv[3], "w") as f:
    json.dump(said, f)
stats, err = (ctypes.c_uint64 * 32)(), ctypes.create_string_buffer(512)
rc = ctypes.PyDLL(sys.argv[1]).walk_to_file(sys.argv[2].encode(), 17, stats, err, 512)
event.set()
gevent.joinall(greenlets)
sys.exit(rc)
"""

_cache = {}


def zoo(python, tmp, flags=walktrace.TRACE | walktrace.COPY, malloc=""):
    """(what the zoo says, what the walk found), once for each interpreter."""
    key = python.path, flags, malloc
    if key not in _cache:
        trace, expected = os.path.join(tmp, "trace"), os.path.join(tmp, "expected")
        p = subprocess.run([python.path, "-X", "utf8", ZOO, DRIVER, trace, expected,
                            str(flags)], env=dict(os.environ, PYTHONMALLOC=malloc),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
        if p.returncode:
            raise AssertionError("%s: %d\n%s" % (python, p.returncode, p.stderr.decode()))
        with open(expected) as f:
            _cache[key] = json.load(f), walktrace.Trace(trace)
    return _cache[key]


class Zoo(Case):
    flags = walktrace.TRACE | walktrace.COPY
    malloc = ""
    interpreters = staticmethod(interpreters)

    def compare(self, check):
        """Runs check(said, found), a generator of differences, on every interpreter."""
        for python in self.interpreters():
            with self.subTest(python=python.name):
                malloc = self.malloc
                if python.free_threaded and malloc:
                    malloc = "debug"    # there is no other allocator in such a build
                said, found = zoo(python, self.tmp, self.flags, malloc)
                wrong = list(check(said, found))
                self.assertEqual([], wrong[:20], "%d differences" % len(wrong))

    def test_present(self):
        def check(said, found):
            self.assertFalse(found.errors, found.errors)
            for addr, name in said["present"]:
                if addr not in found.objects:
                    yield "%s %x is missing" % (name, addr)
        self.compare(check)

    def test_labels(self):
        def check(said, found):
            for holder, kind, name, target, type_ in said["edges"]:
                if holder not in found.objects or target not in found.objects:
                    yield "%s: %x or %x missing" % (type_, holder, target)
                elif kind is None:
                    if target not in found.objects[holder].refs:
                        yield "%s does not refer to %x" % (type_, target)
                elif not found.has(holder, KINDS[kind], name, target):
                    yield "%s has no %s %s: %r" % (
                        type_, kind, name, [l for l in found.labels(holder)
                                            if l[2] == target] or found.labels(holder)[:12])
        self.compare(check)

    def test_attributes(self):
        def check(said, found):
            for holder, name, target, type_ in said["attrs"]:
                dicts = [t for k, n, t in found.labels(holder) if k == walktrace.DICT]
                if not (found.has(holder, walktrace.ATTR, name, target) or
                        any(found.has(d, walktrace.VALUE, name, target) for d in dicts)):
                    yield "%s.%s: %r" % (type_, name, found.labels(holder)[:20])
        self.compare(check)

    def test_sizes(self):
        def check(said, found):
            for addr, size, name in said["sizes"]:
                o = found.objects.get(addr)
                if not o or (o.size != size and not o.flags & walktrace.SIZE_APPROX):
                    yield "%s %x: %r, not %d" % (name, addr, o and o.size, size)
        self.compare(check)

    def test_sizes_checked(self):
        def check(said, found):
            checked = sum(c.checked for c in found.checks)
            if checked < 10000:
                yield "only %d sizes were checked" % checked
            for c in found.checks:
                if c.mismatched:
                    yield c
        self.compare(check)

    def test_values(self):
        def check(said, found):
            for addr, kind, text in said["values"]:
                v = found.values.get(addr)
                if not v or v.kind != VALUES[kind] or v.text != bytes.fromhex(text):
                    yield "%s %r: %r" % (kind, bytes.fromhex(text), v)
        self.compare(check)

    def test_buffers(self):
        def check(said, found):
            by_object = {b.object: b for b in found.buffers if not b.flags & 8}
            for addr, length, owner, counted in said["buffers"]:
                if tuple(said["version"]) >= (3, 15) and counted:
                    continue    # a bytearray's memory is a bytes object there
                if found.objects[addr].flags & walktrace.SIZE_APPROX:
                    counted = False     # by the base formula, which knows of no memory
                b = by_object.get(addr)
                if not b or b.length != length or b.owner != owner or \
                        bool(b.flags & 4) != counted or bool(b.flags & 2) != bool(owner):
                    yield "%x: %r, expected %r" % (addr, b, (length, owner, counted))
        self.compare(check)

    def test_roots(self):
        def check(said, found):
            roots = {(r.kind, r.name, r.target) for r in found.roots}
            unnamed = {(r.kind, r.target) for r in found.roots}
            for kind, name, target in said["roots"]:
                if (kind, name, target) not in roots and (name or (kind, target) not in unnamed):
                    yield "%s %s %x" % (kind, name, target)
        self.compare(check)

    def test_threads_and_frames(self):
        def check(said, found):
            names = {t.name: i for i, t in found.threads.items()}
            frames = {(f.thread, f.depth): f for f in found.frames.values()}
            if said["native"] and found.threads[names["zoo-thread"]].native != said["native"]:
                yield "native id of zoo-thread"
            if not found.threads[names["MainThread"]].flags & 1:
                yield "MainThread is not the main thread"
            for name, depth, function, file, line in said["frames"]:
                f = frames.get((names.get(name), depth))
                if not f or (f.function, f.file, f.line) != (function, file, line):
                    yield "%s %d %s %s:%d: %r" % (name, depth, function, file, line, f)
            for name in ("MainThread", "zoo-thread"):
                if len([f for f in said["frames"] if f[0] == name]) != \
                        len([f for f in found.frames.values() if f.thread == names[name]]):
                    yield "number of frames of " + name
        self.compare(check)

    def test_locals(self):
        def check(said, found):
            names = {t.name: i for i, t in found.threads.items()}
            have = {(r.thread, found.frames[r.frame].function.split(".")[-1], r.name, r.target)
                    for r in found.roots if r.kind == "local"}
            for thread, function, name, target in said["locals"]:
                if (names.get(thread), function, name, target) not in have:
                    yield "%s in %s of %s" % (name, function, thread)
        self.compare(check)

    def test_memory_facts(self):
        """The allocator's blocks are those the interpreter counts; pages add up."""
        def check(said, found):
            used = int(found.facts.get("pymalloc.used_blocks") or
                       found.facts.get("mimalloc.used_blocks", 0))
            # the interpreter counts blocks of more than 512 bytes too: a few per cent
            if said["blocks"] and not said["blocks"] * 0.94 < used < said["blocks"] + 100:
                yield "%d blocks, not %d" % (used, said["blocks"])
            objects = sum(o.size for o in found.objects.values())
            placed = sum(m.object_bytes for m in found.maps)
            if abs(objects - placed) > objects * 0.25:
                yield "%d bytes of objects, %d in mappings" % (objects, placed)
            for m in found.maps:
                if m.live > m.rss or m.rss > m.end - m.start:
                    yield m
            if not int(found.facts["malloc.known"]):
                yield "malloc's heap was not understood"
            heap = sum(m.end - m.start for m in found.maps if m.name == "[heap]")
            known = sum(int(found.facts["malloc." + what])
                        for what in ("used_bytes", "free_bytes", "top_bytes"))
            if known < heap * 0.99:
                yield "malloc: %d bytes of a heap of %d" % (known, heap)
            if int(found.facts["memory.unmapped_object_bytes"]):
                yield "objects outside of all mappings"
        self.compare(check)

    def test_greenlets(self):
        """Variables of suspended greenlets, by name."""
        tried = 0
        for python in interpreters():
            if subprocess.run([python.path, "-c", "import gevent"],
                              stderr=subprocess.DEVNULL).returncode:
                continue
            tried += 1
            trace, expected, script = (self.path(n) for n in ("trace", "expected", "t.py"))
            with open(script, "w") as f:
                f.write(GREENLETS)
            subprocess.run([python.path, script, DRIVER, trace, expected], check=True,
                           timeout=600)
            with open(expected) as f:
                said = json.load(f)
            found = walktrace.Trace(trace)
            have = {(n, t) for a, o in found.objects.items()
                    if "reenlet" in found.type_name(a) or found.type_name(a).endswith("frame")
                    for k, n, t in found.labels(a) if k == walktrace.LOCAL}
            self.assertEqual(40, len(said))
            for name, target in said:
                self.assertIn((name, target), have)
        if not tried:
            self.skipTest("no interpreter with gevent")

    def test_no_values(self):
        """Without values there is no text but names; equal contents still group."""
        python = interpreters()[-1]
        trace, expected = self.path("trace"), self.path("expected")
        subprocess.run([python.path, "-X", "utf8", ZOO, DRIVER, trace, expected, "19"],
                       stderr=subprocess.DEVNULL, check=True, timeout=600)
        found = walktrace.Trace(trace)
        texts = {v.text for v in found.values.values() if v.kind in (1, 2, 3, 4)}
        for secret in (b"plain text", b"x" * 64, b"raw\0bytes", str(1 << 40).encode()):
            self.assertNotIn(secret, texts)
        self.assertIn(b"thread_local_list", texts)
        self.assertTrue(all(t.replace(b"_", b"a").isalnum() for t in texts if t))
        hashes = [v.hash for v in found.values.values() if v.kind == 1 and not v.text]
        self.assertGreater(len(hashes), 1000)
        self.assertNotIn(0, hashes)

    def test_explained(self):
        """Nearly every reference counted by the interpreter was found."""
        def check(said, found):
            total, explained, surplus = found.explained()
            share = explained / max(total, 1)
            print("%s: %d references, %.3f %% explained" % (
                ".".join(map(str, said["version"])), total, 100 * share), flush=True)
            if share < 0.99:
                worst = sorted(surplus.items(), key=lambda s: -s[1])[:10]
                yield "only %.3f %%: %r" % (100 * share, [
                    (found.type_name(a), n) for a, n in worst])
        self.compare(check)

    def test_nothing_found_twice(self):
        """References found beyond the counts: labels must not invent any."""
        def check(said, found):
            counted = found.counted(conservative=False)
            total = deficit = types = 0
            worst = []
            for addr, o in found.objects.items():
                if o.flags & walktrace.IMMORTAL:
                    continue
                total += o.refcount
                if counted[addr] > o.refcount:
                    deficit += counted[addr] - o.refcount
                    if found.type_name(addr) == "builtins.type":
                        types += counted[addr] - o.refcount
                    worst.append((counted[addr] - o.refcount, found.type_name(addr), hex(addr)))
            # 3.11's frozen modules are static data whose references were never counted
            if deficit > total * (0.01 if said["version"][:2] == [3, 11] else 0.005):
                yield deficit, total, sorted(worst, reverse=True)[:10]
            # tp_base of a static type counts nothing: hundreds, were it taken for owned
            if types > 70:
                yield "%d references to types" % types
        self.compare(check)


class InPlace(Zoo):
    """The same without a copy, under the interpreter lock: --no-fork."""

    flags = walktrace.TRACE

    def test_sizes_checked(self):
        self.skipTest("the interpreter is asked in a copy only")

    def test_memory_facts(self):
        self.skipTest("malloc's heap is looked at in a copy only")

    def test_greenlets(self):
        self.skipTest("no different")

    test_no_values = test_greenlets


class OtherAllocators(Zoo):
    """Objects in malloc's heap, with the paddings of the debug hooks."""

    malloc = "malloc_debug"
    interpreters = staticmethod(some_interpreters)

    def test_greenlets(self):
        self.skipTest("no different")

    test_no_values = test_greenlets


if __name__ == "__main__":
    if not os.path.exists(DRIVER):
        skip_all("the walk driver was not built")
    harness.main()
