# ctest: labels=e2e cost=110
# SPDX-License-Identifier: MIT
"""The whole heap of every interpreter, in place and in a copy: each object that the
interpreter lists or reaches is there with its type and size, and each referent
is a reference.  What may differ is named in the checks, with the reason."""
import collections
import errno
import json
import os
import re
import subprocess
import unittest
from unittest import mock

import walktrace
from harness import BUILD, LONG, ROOT, Case, interpreters, main, run_view, skip_all

DRIVER = os.path.join(BUILD, "lib", "walk_driver.so")
TARGET = os.path.join(ROOT, "tests", "targets", "whole_heap.py")
EXPLAINED = 0.99
# Walks a plain interpreter; prints the result and the error's text.
SMALL = """
import ctypes, sys
stats, error = ctypes.create_string_buffer(256), ctypes.create_string_buffer(600)
walk = ctypes.PyDLL(sys.argv[1]).walk_to_file
print(walk(sys.argv[2].encode(), int(sys.argv[3]), stats, error, 600), error.value.decode())
"""


PLANTED = """
x = int("7")
planted = ["planted-" + t for t in ("ascii", "\\u00e9", "\\u4e2d", "\\U0001f600")]
planted += [(1 << 40) + x, -123456782 - x]
"""

# Asks whether a collection runs: before, in one, and after; with and without gc's
# module, whose import makes objects that help to find the answer.
COLLECTING = """
import ctypes, sys
ask = ctypes.PyDLL(sys.argv[1]).driver_collecting
class Asks:
    def __del__(self):
        print(ask(), end=" ")
if "gc" not in sys.modules:
    print(ask(), end=" ")
import gc
print(ask(), end=" ")
a = Asks()
a.a = a
del a
gc.collect()
print(ask())
"""


def read_expected(path):
    rows = {}
    with open(path) as f:
        for line in f:
            addr, rest = line.split(" ", 1)
            name, end = json.JSONDecoder().raw_decode(rest)
            size, *refs = rest[end:].split()
            rows[int(addr, 16)] = name, int(size), [int(r, 16) for r in refs]
    return rows


def walkable():
    return [p for p in interpreters() if not p.free_threaded]


class WholeHeap(Case):
    def walk(self, python, flags):
        trace, expected = os.path.join(self.tmp, "trace"), os.path.join(self.tmp, "expected")
        p = subprocess.run([python.path, "-X", "utf8", TARGET, DRIVER, trace, expected,
                            str(flags | walktrace.TRACE)], timeout=600,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.assertEqual(0, p.returncode, "%s: %s" % (python, p.stderr.decode()))
        return read_expected(expected), walktrace.Trace(trace)

    def compare(self, said, found):
        wrong = collections.Counter()
        for addr, (name, size, refs) in said.items():
            if addr not in found.objects:
                wrong["missing " + name] += 1
                continue
            o = found.objects[addr]
            t = found.types[o.type]
            if t.name != name:
                wrong["%s is called %s" % (name, t.name)] += 1
            if o.flags & walktrace.SIZE_APPROX:
                # only the class whose __sizeof__ is Python may be approximate
                if not name.endswith(".Sized") and not self.approximate_in_place(name):
                    wrong["size of %s approximate" % name] += 1
            elif o.size != size:
                wrong["size of %s" % name] += 1
            once = set(refs)
            if len(once) == len(refs) and once.issubset(o.refs):
                continue
            have = collections.Counter(o.refs)
            if name == "functools._lru_cache_wrapper":
                # keys and results belong to the elements, which the collector does not know
                for ref in o.refs:
                    if found.type_name(ref).endswith("_lru_list_elem"):
                        have.update(found.objects[ref].refs)
                        have[found.types[found.objects[ref].type].addr] += 1
            have[t.addr] += bool(t.flags & walktrace.TYPE_OWNED)
            for ref, times in collections.Counter(refs).items():
                # frames are left out by the target: they change while it asks
                if have[ref] < times and ref in said:
                    wrong["%s lacks a reference to %s" % (name, said[ref][0])] += 1
        return wrong

    in_place = False

    def approximate_in_place(self, name):
        # no C __sizeof__ is called in place where the int it makes would show: 3.14 and
        # later take it from a free list, debug builds record it
        return self.in_place and (self.minor >= 14 or self.records)

    def check(self, flags, pythons):
        for python in pythons:
            with self.subTest(python=python.name):
                self.minor, self.in_place = python.version[1], not flags & walktrace.COPY
                self.records = python.debug or python.traces
                said, found = self.walk(python, flags)
                self.assertGreater(len(said), 20000)
                self.assertEqual([], found.errors)
                self.assertEqual([], self.compare(said, found).most_common(20))
                self.check_explained(found)

    def check_explained(self, found):
        """Almost all reference counts are explained by references found."""
        edges = found.counted(conservative=False)
        counted = explained = 0
        for addr, o in found.objects.items():
            if not o.flags & walktrace.IMMORTAL:
                counted += o.refcount
                explained += min(o.refcount, edges[addr])
        self.assertGreaterEqual(explained / counted, EXPLAINED)

    def test_collecting(self):
        for python in walkable():
            if python.version < (3, 7):
                continue        # 3.6 keeps it in a static variable
            with self.subTest(python=python.name):
                p = subprocess.run([python.path, "-S", "-X", "utf8", "-c", COLLECTING, DRIVER],
                                   stdout=subprocess.PIPE, timeout=300, check=True)
                answers = p.stdout.split()
                self.assertEqual([b"0", b"1", b"0"], answers[-3:])
                self.assertEqual({b"0"}, set(answers[:-3]) or {b"0"})

    def test_little_memory(self):
        """A walk that may map too little says so, whenever it runs out."""
        python = walkable()[-1]
        outcomes = set()
        for mebibytes in (1, 17, 34, 36, 38, 40, 48, 128):
            for copy in (0, walktrace.COPY):
                flags = walktrace.TRACE | copy | mebibytes << 8
                p = subprocess.run([python.path, "-X", "utf8", "-c", SMALL, DRIVER,
                                    os.path.join(self.tmp, "small"), str(flags)],
                                   stdout=subprocess.PIPE, timeout=300)
                self.assertEqual(0, p.returncode, "%d MiB" % mebibytes)
                rc, _, text = p.stdout.decode().partition(" ")
                self.assertIn(int(rc), (0, -errno.ENOMEM))
                self.assertEqual("memory" in text, rc != "0", text)
                outcomes.add(rc)
        self.assertEqual(2, len(outcomes))

    def test_full_disk(self):
        python = walkable()[-1]
        p = subprocess.run([python.path, "-X", "utf8", "-c", SMALL, DRIVER, "/dev/full",
                            str(walktrace.TRACE)], stdout=subprocess.PIPE, timeout=300)
        self.assertEqual(0, p.returncode)
        self.assertTrue(p.stdout.startswith(b"%d " % -errno.ENOSPC), p.stdout)

    def test_version_is_unknown(self):
        """A CPython that the tables do not know: proven, it is walked as ever."""
        newest = [p for p in walkable() if p.version >= (3, 11)]
        for python in newest if LONG else newest[-1:]:
            with self.subTest(python=python.name), mock.patch.dict(os.environ, WALK_DISTRUST="1"):
                self.minor, self.in_place, self.records = python.version[1], False, False
                said, found = self.walk(python, walktrace.COPY)
                self.assertNotIn("python.left_out", found.facts)
                self.assertIn("main", [f.function for f in found.frames.values()])
                self.assertEqual([], self.compare(said, found).most_common(20))
                self.check_explained(found)

    def one_since(self, version):
        found = [p for p in walkable() if p.version >= version]
        if not found:
            self.skipTest("there is no CPython %d.%d" % version)
        return found[0]

    def test_tables_are_not_true(self):
        """All objects are found, and what is left out is said."""
        python = self.one_since((3, 13))
        with mock.patch.dict(os.environ, WALK_KNOWN="030c"):
            said, found = self.walk(python, walktrace.COPY)
        self.assertEqual({}, found.frames)
        self.assertIn(b"frames", bytes.fromhex(found.facts["python.left_out"]))
        self.assertFalse(set(said) - set(found.objects))

    def test_layouts_have_moved(self):
        """Where the tables' str, dict and int are not the interpreter's they are looked
        for: every object and reference is there, no size is wrong that isn't called
        approximate, and texts and numbers are read right."""
        sizes = re.compile("size of .* approximate$")
        for since, known, what in (((3, 11), "030a", "the keys of dicts"),
                                   ((3, 12), "030b", "str and int"),
                                   ((3, 12), "030a", "all three")):
            found = [p for p in walkable() if p.version >= since]
            for python in found[:1] + (found[1:] if LONG else []):
                with self.subTest(python=python.name, moved=what), \
                        mock.patch.dict(os.environ, WALK_KNOWN=known):
                    self.minor, self.in_place, self.records = python.version[1], False, False
                    said, found_here = self.walk(python, walktrace.COPY)
                    self.assertFalse(set(said) - set(found_here.objects))
                    wrong = self.compare(said, found_here)
                    self.assertEqual([], [w for w in wrong.most_common()
                                          if not sizes.match(w[0])])
                    self.check_previews(python)

    def test_layouts_are_unexplained(self):
        """Where no sample tells what is inside of a str, dict, int, list or set, the rest
        is told: all objects with their types and sizes, all references, the frames; and
        what is left out is said."""
        sizes = re.compile("size of .* approximate$")
        unnamed = re.compile(r".*\.(.*) is called \1$")
        for parts, names in ((0x1b, "str, dict, list, set"), (0x1f, "str, dict, int, list, set"),
                             (2, "dict"), (1, "str, dict"), (4, "int"),
                             (0x18, "list, set"))[:None if LONG else 1]:
            for python in [p for p in walkable() if p.version >= (3, 12)][-1:]:
                with self.subTest(python=python.name, parts=names), \
                        mock.patch.dict(os.environ, WALK_UNEXPLAINED="%x" % parts):
                    self.minor, self.in_place, self.records = python.version[1], False, False
                    said, found = self.walk(python, walktrace.COPY)
                    self.assertFalse(set(said) - set(found.objects))
                    wrong = {w for w in self.compare(said, found) if not sizes.match(w)}
                    # a class whose dict can't be read has the name that C knows
                    self.assertEqual([], [w for w in wrong if not unnamed.match(w)])
                    self.check_explained(found)
                    self.assertIn(names, bytes.fromhex(found.facts["python.left_out"]).decode())
                    self.assertTrue(found.frames)
                    if not parts & 4:   # what __sizeof__ says can be read
                        unlike = [a for a, (_, size, _) in said.items()
                                  if found.objects[a].size != size]
                        self.assertLess(len(unlike), len(said) / 100)

    def test_collector_is_unexplained(self):
        """Where the collector's lists begin is not found: from their members all others
        are.  Where not even its header is understood, what roots lead to is read."""
        approximate = re.compile("size of .* approximate$")
        python = next((p for p in reversed(walkable()) if p.version >= (3, 12)), None)
        if not python:
            self.skipTest("there is no CPython 3.12 or later")
        self.minor, self.in_place, self.records = python.version[1], False, False
        for parts, left_out in ((0x20, "generations"),
                                (0x40, "what the collector knows and its sizes"),
                                (0x3f, "insides of str, dict"))[:None if LONG else 2]:
            with self.subTest(parts=parts), \
                    mock.patch.dict(os.environ, WALK_UNEXPLAINED="%x" % parts):
                said, found = self.walk(python, walktrace.COPY)
                self.assertEqual([], [a for a in said if a not in found.objects])
                self.assertIn(left_out, bytes.fromhex(found.facts["python.left_out"]).decode())
                self.assertTrue(found.frames)
                self.assertTrue([text for _, text in found.errors if "lists" in text])
                if parts < 0x3f:   # which has a test of its own
                    self.assertEqual([], [w for w in self.compare(said, found).most_common()
                                          if parts == 0x20 or not approximate.match(w[0])])
                    self.check_explained(found)

    def test_header_is_unexplained_in_place(self):
        """Then nothing tells an object from what was one: no place for a guess."""
        p = subprocess.run([walkable()[-1].path, "-X", "utf8", "-c", SMALL, DRIVER,
                            os.path.join(self.tmp, "small"), "0"], stdout=subprocess.PIPE,
                           timeout=300, env={**os.environ, "WALK_UNEXPLAINED": "40"})
        self.assertEqual(0, p.returncode)
        self.assertTrue(p.stdout.startswith(b"%d " % -errno.ENOTSUP), p.stdout)
        self.assertIn(b"only be walked in a copy", p.stdout)

    def check_previews(self, python):
        path = os.path.join(self.tmp, "planted.pymem")
        subprocess.run([python.path, "-S", "-X", "utf8", "-c", PLANTED + SMALL, DRIVER, path,
                        "0"], check=True, timeout=300, stdout=subprocess.DEVNULL)
        texts = ["'planted-%s'" % t for t in ("ascii", "\u00e9", "\u4e2d", "\U0001f600")]
        texts += ["1099511627783", "-123456789"]
        done = run_view("--no-sidecar", "--format", "json", "--limit", "0", "--sql",
                        "SELECT value FROM object WHERE value LIKE '%planted-%'"
                        " OR value IN ('1099511627783', '-123456789')", path)
        rows = json.loads(done.stdout.decode())["rows"]
        self.assertLessEqual(set(texts), {row["value"] for row in rows})

    def test_what_is_left_out_is_shown(self):
        python = self.one_since((3, 13))
        path = os.path.join(self.tmp, "small.pymem")
        for name, value, shown in (("WALK_KNOWN", "030c", "3.12, left out: frames, names of "
                                    "attributes"),
                                   ("WALK_DISTRUST", "1", "3.%d, nothing was left out" %
                                    python.version[1])):
            subprocess.run([python.path, "-S", "-X", "utf8", "-c", SMALL, DRIVER, path, "0"],
                           env={**os.environ, name: value}, check=True, timeout=300,
                           stdout=subprocess.DEVNULL)
            overview = run_view("--report", "overview", path).stdout.decode()
            self.assertIn("read by those of " + shown, overview)

    def test_in_place(self):
        pythons = walkable()
        self.check(0, pythons if LONG else pythons[1::4])

    def test_in_copy(self):
        pythons = walkable()    # the zoo is walked on all of them (test_truth)
        self.check(walktrace.COPY, pythons if LONG else pythons[::2])


if __name__ == "__main__":
    if not os.path.exists(DRIVER):
        skip_all("walk_driver.so was not built")
    main()
