# ctest: labels=e2e cost=46
# SPDX-License-Identifier: MIT
"""Every reference has a name: one of everything that the standard library makes in C
(tests/targets/census.py), on every interpreter.  Attributes that Python code sees are
compared with the labels; references without a label, or with the offset of an
unknown field only, are listed and must not be there."""
import collections
import json
import os

import walktrace
from harness import BUILD, ROOT, Case, interpreters, main, run, skip_all

DRIVER = os.path.join(BUILD, "lib", "walk_driver.so")
CENSUS = os.path.join(ROOT, "tests", "targets", "census.py")
# Attributes of several names, of which the walk knows one; and those that are computed
# from what lies elsewhere.
SAME = {("classmethod", "__wrapped__"): "__func__", ("staticmethod", "__wrapped__"): "__func__",
        ("TypeAliasType", "__parameters__"): "__type_params__",
        ("xmlparser", "CharacterDataHandler"): "handler",
        ("xmlparser", "StartElementHandler"): "handler"}
# on the stack of a suspended frame, where values have no name
STACK = {"cr_await", "gi_yieldfrom", "ag_await"}


class Census(Case):
    def walk(self, python):
        trace, expected = self.path("trace"), self.path("expected")
        done = run([python.path, "-X", "utf8", "-W", "ignore", CENSUS, DRIVER, trace, expected,
                    str(walktrace.TRACE | walktrace.COPY)])
        self.assertEqual(0, done.returncode, done.stderr.decode())
        with open(expected) as f:
            return json.load(f), walktrace.Trace(trace)

    def unlabelled(self, found):
        """References that say nothing, or an offset only, by type."""
        out = collections.Counter()
        for addr in found.objects:
            for kind, name, _ in found.labels(addr):
                if kind == walktrace.OTHER and (isinstance(name, int) or name[:1] == "+"):
                    out[found.type_name(addr), name if isinstance(name, str) else ""] += 1
        return out

    def misnamed(self, said, found):
        """Attributes that Python sees, and the walk calls otherwise."""
        for group, entry, addr, kind, attributes in said:
            if addr not in found.objects:
                yield group, entry, "is missing"
                continue
            have = collections.defaultdict(set)
            for label, name, target in found.labels(addr):
                have[target].add("__dict__" if label == walktrace.DICT else
                                 "stack" if label == walktrace.STACK else name)
            for name, target in attributes.items():
                wanted = "stack" if name in STACK else SAME.get((kind, name), name)
                if not {wanted, name} & have[target]:
                    yield group, entry, name, sorted(map(str, have[target]))

    def test_every_reference_has_a_name(self):
        for python in interpreters():
            if python.free_threaded:
                continue
            with self.subTest(python=python.name):
                said, found = self.walk(python)
                self.assertGreater(len(said), 150)
                self.assertEqual([], found.errors)
                self.assertEqual([], list(self.misnamed(said, found)))
                unknown = self.unlabelled(found)
                print(python.name, len(said), "entries; without a name:", dict(unknown),
                      flush=True)
                # Nodes of 3.10's statement cache lie behind each other, not in the cache
                unknown.pop(("sqlite3.Cache", ""), None)
                self.assertEqual({}, dict(unknown))
                self.assertIn("__main__.types_.<locals>.Metaclass",
                              {t.name for t in found.types.values()})
                total, explained, hidden = found.explained()
                self.assertGreater(explained / total, 0.999)
                held = {entry for _, entry, addr, *_ in said if addr in hidden}
                # kept by variables of C code: the last module found, the cache of zones
                self.assertEqual(set(), held - {"module", "zoneinfo"})


if __name__ == "__main__":
    if not os.path.exists(DRIVER):
        skip_all("the walk driver was not built")
    main()
