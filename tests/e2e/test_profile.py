# ctest: labels=e2e;ptrace cost=19
# SPDX-License-Identifier: MIT
"""--export pprof, speedscope and collapsed: the heap as profilers' readers take it.  The
profile is decoded here by hand, from the field numbers that pprof publishes; readers that
aren't ours are in test_readers.py."""
import collections
import gzip
import socket

from harness import *

CODE = r'''
import sys
class Order:
    def __init__(self, i):
        self.number, self.weight = i, i + 0.25
class Shop:
    pass
SHOP = Shop()
SHOP.orders = [Order(i) for i in range(3000)]
SHOP.by_name = {"".join(["customer ", str(i)]): bytes(3000) for i in range(40)}
CONFIG = {"cache": [bytes(1000) for _ in range(300)], "log": [bytes(999) for _ in range(300)]}
DATA = bytearray(40000000)
class Empty:
    __slots__ = ()
EMPTY = [Empty() for _ in range(60)]
ready(); serve()
'''


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """[(field, number or bytes)] of a message"""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
            assert len(value) == len(data[at - len(value):at])
        else:
            assert key & 7 == 0, key
        found.append((key >> 3, value))
    return found


def packed(data):
    at, found = 0, []
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


class Profile:
    def __init__(self, path):
        with gzip.open(path) as f:
            self.fields = fields(f.read())
        self.strings = [v.decode() for k, v in self.fields if k == 6]
        self.types = [(self.strings[dict(fields(v))[1]], self.strings[dict(fields(v))[2]])
                      for v in self.of(1)]
        self.functions = {dict(fields(v))[1]: self.strings[dict(fields(v))[2]]
                          for v in self.of(5)}
        self.locations = {}
        for v in self.of(4):
            found = fields(v)
            lines = [fields(x) for k, x in found if k == 4]
            assert len(lines) == 1
            self.locations[dict(found)[1]] = (dict(lines[0])[1], dict(found)[2])
        self.samples = []
        for v in self.of(2):
            found = fields(v)
            stack = [self.functions[self.locations[i][0]]
                     for k, x in found if k == 1 for i in packed(x)]
            values = [n for k, x in found if k == 2 for n in packed(x)]
            labels = [dict(fields(x)) for k, x in found if k == 3]
            self.samples.append((stack, values, {
                self.strings[x[1]]: self.strings[x[2]] if 2 in x else x[3]
                for x in labels}))

    def of(self, field):
        return [v for k, v in self.fields if k == field]

    def one(self, field):
        (value,) = self.of(field)
        return value

    def stacks(self):
        return {tuple(stack) for stack, _, _ in self.samples}

    def through(self, frame, value=2):
        return sum(values[value] for stack, values, _ in self.samples if frame in stack)


class Profiles(Case):
    def take(self, target, name):
        run_load("-q", "-f", self.path(name), target.pid)
        for kind in "pprof", "speedscope", "collapsed":
            done = run_view("--no-sidecar", "--export", kind, "-o",
                            self.path(name + "." + kind), self.path(name))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        return Profile(self.path(name + ".pprof"))

    def test_two_of_one_process(self):
        with Target(some_interpreters(1)[0], CODE) as target:
            a = self.take(target, "a")
            target.tell("SHOP.orders += [Order(-i) for i in range(1, 1001)]")
            target.tell("SHOP.by_name.update({''.join(['new ', str(i)]): bytes(3000)"
                        " for i in range(200)})")
            b = self.take(target, "b")
            self.check_labels(b, target)
        for profile in a, b:
            self.check_form(profile)
        self.check_sums(b)
        self.check_growth(a, b)
        self.check_stacks(b)

    def check_labels(self, profile, target):
        command = "%s %s" % (target.python.path, target.script)
        for _, _, labels in profile.samples:
            self.assertEqual(labels["pid"], target.pid)
            self.assertEqual(labels["command"], command)
            self.assertEqual(labels["host"], socket.gethostname())
            self.assertRegex(labels["python"], r"^3\.\d+\.\d+$")
            self.assertRegex(labels["snapshot_time"], r"^20\d\d-\d\d-\d\dT[\d:]{8}Z$")
        mapping = dict(fields(profile.one(3)))
        self.assertEqual(profile.strings[mapping[5]], command)
        self.assertLess(abs(profile.one(9) / 1e9 - time.time()), 3600)

    def check_form(self, profile):
        self.assertEqual(profile.types, [("objects", "count"), ("shallow", "bytes"),
                                         ("retained", "bytes")])
        self.assertEqual(profile.strings[0], "")
        self.assertEqual(len(set(profile.strings)), len(profile.strings))
        self.assertEqual(profile.strings[profile.one(14)], "retained")
        self.assertEqual(sorted(profile.locations), list(range(1, len(profile.locations) + 1)))
        self.assertEqual(set(profile.functions), set(profile.locations))
        self.assertLess(max(profile.locations), 2**32)
        self.assertEqual({m for _, m in profile.locations.values()}, {1})
        whole = [sum(values[i] for _, values, _ in profile.samples) for i in range(3)]
        for stack, values, _ in profile.samples:
            self.assertEqual(stack[-1], "(GC roots)")
            self.assertEqual(len(values), 3)
            self.assertRegex(stack[0], "^<.*>$")
            if len(stack) > 2:
                self.assertTrue(any(value >= max(1, total // share // 2) for value, total, share
                                    in zip(values, whole, (2000, 10000, 10000))),
                                (stack, values))
        self.assertEqual(len(profile.stacks()), len(profile.samples))

    def check_sums(self, profile):
        done = run_view("--no-sidecar", "--report", "overview", "--format", "json",
                        self.path("b"))
        row = json.loads(done.stdout)["processes"][0]["rows"][0]
        count, shallow, retained = (sum(v[i] for _, v, _ in profile.samples)
                                    for i in range(3))
        self.assertEqual(shallow, row["size"])
        self.assertEqual(count, row["objects"])
        self.assertEqual(retained, row["size"] + row["native_size"])
        self.assertGreater(profile.through("__main__.DATA"), 40000000)
        at = {tuple(stack[:2]): values for stack, values, _ in profile.samples}
        count, shallow, retained = at["<builtins.bytearray>", "__main__.DATA"]
        self.assertEqual(count, 1)
        self.assertGreater(shallow, 40000000)
        self.assertLess(retained, 100)
        # few bytes, but many objects
        self.assertEqual(at["<__main__.Empty>", "__main__.EMPTY[*]"][0], 60)

    def check_growth(self, a, b):
        """Names that come and go with the number of things would be here."""
        self.assertIn("__main__.CONFIG['cache']", b.functions.values())
        self.assertIn("__main__.CONFIG['log'][*]", b.functions.values())
        self.assertIn("__main__.SHOP.by_name[*]", a.functions.values())
        for place, leaf, grown in (("__main__.SHOP.orders[*]", "<__main__.Order>", 1000),
                                   ("__main__.SHOP.by_name[*]", "<builtins.bytes>", 200)):
            old, new = ([v[0] for s, v, _ in p.samples if s[:2] == [leaf, place]]
                        for p in (a, b))
            self.assertEqual(new[0] - old[0], grown)
            self.assertEqual((len(old), len(new)), (1, 1))
        self.check_types(a, b)
        small = sum(v[2] for _, v, _ in b.samples) / 10000 * 3
        for name in set(a.functions.values()) ^ set(b.functions.values()):
            self.assertLess(max(a.through(name), b.through(name)), small, name)

    def check_types(self, a, b):
        """What a difference tells of each type is what its objects' sizes tell."""
        grown, small = collections.Counter(), sum(v[2] for _, v, _ in b.samples) / 10000
        for name, profile, sign in ("a", a, -1), ("b", b, 1):
            done = run_view("--no-sidecar", "--report", "types", "--all", "--format", "json",
                            self.path(name))
            for row in json.loads(done.stdout)["processes"][0]["rows"]:
                grown["<%s>" % row["type"]] += sign * row["size"]
            for stack, values, _ in profile.samples:
                grown[stack[0]] -= sign * values[1]
        for leaf, left in grown.items():
            self.assertLessEqual(abs(left), small, leaf)

    def check_stacks(self, profile):
        retained = sum(v[2] for _, v, _ in profile.samples)
        with open(self.path("b.collapsed"), encoding="utf-8") as f:
            lines = [line.rstrip("\n").rsplit(" ", 1) for line in f]
        self.assertEqual(sum(int(n) for _, n in lines), retained)
        stacks = [stack.split(";") for stack, _ in lines]
        self.assertIn(["(GC roots)", "(modules)", "__main__", ".SHOP", ".orders", "[*]",
                       "<__main__.Order>"], stacks)
        with open(self.path("b.speedscope"), encoding="ascii") as f:
            doc = json.load(f)
        self.assertEqual([p["name"] for p in doc["profiles"]],
                         ["retained bytes", "shallow bytes", "objects"])
        names = [frame["name"] for frame in doc["shared"]["frames"]]
        for n, p in zip((2, 1, 0), doc["profiles"]):
            weights = {tuple(names[f] for f in reversed(s)): w
                       for s, w in zip(p["samples"], p["weights"])}
            self.assertEqual(weights, {tuple(s): v[n] for s, v, _ in profile.samples})
            self.assertEqual(p["endValue"], sum(p["weights"]))

    def test_what_deep_and_hostile_heaps_make(self):
        """A stack has at most so many frames; names are as long as they may be, and text."""
        code = r'''
class Node: pass
NAMES = ["a;b", "x" * 500, "\x1b[31m", "\udc80", "n\n1"]
node = top = Node()
for i in range(2000):
    for name in (NAMES + ["q%d" % (i % 7)]):
        setattr(node, name, Node())
    node = getattr(node, NAMES[i % 5])
    node.data = bytes(4000)
ready(); serve()
'''
        with Target(some_interpreters(1)[0], code) as target:
            profile = self.take(target, "a")
        self.check_form(profile)
        self.assertLessEqual(max(len(s) for s in profile.stacks()), 201)
        for name in profile.strings:
            self.assertLessEqual(len(name), 240)
            self.assertTrue(name.isprintable(), name)
        with open(self.path("a.collapsed"), encoding="utf-8") as f:
            for line in f:
                self.assertRegex(line, r"^\(GC roots\)(;[^;]+)* \d+\n$")

    def test_incomplete(self):
        with Target(some_interpreters(1)[0], "ready(); serve()") as target:
            run_load("-q", "-f", self.path("whole"), target.pid)
        with open(self.path("whole"), "rb") as f:
            data = f.read()
        with open(self.path("cut"), "wb") as f:
            f.write(data[:len(data) * 9 // 10])
        done = run_view("--no-sidecar", "--export", "pprof", "-o", self.path("p"),
                        self.path("cut"))
        self.assertEqual(done.returncode, 3, done.stderr)
        profile = Profile(self.path("p"))
        self.check_form(profile)
        self.assertIn("INCOMPLETE", profile.strings[profile.one(13)])


if __name__ == "__main__":
    main()
