# ctest: labels=e2e;ptrace
# SPDX-License-Identifier: MIT
"""--export heapsnapshot as its readers take it: read here from the format's description of
itself, with dominators of this file's own."""
import array
import collections

from harness import *

CODE = r'''
import array
class Order:
    def __init__(self, i):
        self.number, self.weight = i, i + 0.25
class Loop:
    pass
def loop():
    a = Loop()
    a.me = a
PREFIX = "https://example.com/" + "the-same/" * 12
URLS = [PREFIX + str(i) for i in range(500)]
TWICE = ["".join(["twice ", PREFIX]) for _ in range(2)]
ORDERS = [Order(i) for i in range(2000)]
DATA = bytearray(3000000)
NUMBERS = array.array("d", range(200000))
import gc
gc.disable()
loop()
ready(); serve()
'''


class Graph:
    """Nodes in the order of the file, and what retains them."""

    def __init__(self, path):
        with open(path, encoding="ascii") as f:
            doc = json.load(f)
        meta, flat, strings = doc["snapshot"]["meta"], doc["nodes"], doc["strings"]
        width = len(meta["node_fields"])
        column = {f: flat[i::width] for i, f in enumerate(meta["node_fields"])}
        self.type = [meta["node_types"][0][t] for t in column["type"]]
        self.name = [strings[n] for n in column["name"]]
        self.id, self.size = column["id"], column["self_size"]
        edges = iter(zip(*[iter(doc["edges"])] * 3))
        weak = meta["edge_types"][0].index("weak")
        self.to = [[to // width for kind, _, to in (next(edges) for _ in range(n))
                    if kind != weak] for n in column["edge_count"]]

    def retained(self):
        """By Cooper, Harvey and Kennedy's iteration."""
        order, number = [], [-1] * len(self.to)
        stack = [(0, iter(self.to[0]))]
        number[0] = -2
        while stack:
            node, rest = stack[-1]
            for to in rest:
                if number[to] == -1:
                    number[to] = -2
                    stack.append((to, iter(self.to[to])))
                    break
            else:
                number[node] = len(order)
                order.append(node)
                stack.pop()
        before = [[] for _ in order]
        for node, number_of in enumerate(number):
            for to in self.to[node]:
                before[number[to]].append(number_of)
        top = len(order) - 1
        idom = array.array("q", [-1]) * len(order)
        idom[top] = top
        changed = True
        while changed:
            changed = False
            for n in range(top - 1, -1, -1):
                new = -1
                for p in before[n]:
                    if idom[p] < 0:
                        continue
                    if new < 0:
                        new = p
                        continue
                    while new != p:
                        while new < p:
                            new = idom[new]
                        while p < new:
                            p = idom[p]
                changed |= idom[n] != new
                idom[n] = new
        sums = [self.size[node] for node in order]
        for n in range(top):
            sums[idom[n]] += sums[n]
        return [sums[number[node]] if number[node] >= 0 else None
                for node in range(len(self.to))]

    def ids(self, kind):
        return {i for i, t, n in zip(self.id, self.type, self.name)
                if (t if t != "object" else n) == kind}


class HeapSnapshot(Case):
    def export(self, target, name):
        run_load("-q", "-f", self.path(name), target.pid)
        out = self.path(name + ".heapsnapshot")
        done = run_view("--no-sidecar", "--export", "heapsnapshot", "-o", out, self.path(name))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return Graph(out)

    def test_two_of_one_process(self):
        """What came and went, by ids, is what came and went; sizes are those of reports."""
        with Target(some_interpreters(1)[0], CODE) as target:
            a = self.export(target, "a")
            target.tell("MORE = [Order(-i) for i in range(1, 1001)]")
            b = self.export(target, "b")
        self.assertEqual(len(set(b.id)), len(b.id))
        self.assertTrue(all(i % 2 and 0 < i < 2**32 for i in b.id))
        for kind, came in ("__main__.Order", 1000), ("string", None), ("closure", None):
            old, new = a.ids(kind), b.ids(kind)
            if came is not None:
                self.assertEqual(len(new - old), came, kind)
            self.assertLessEqual(len(old - new), 20, kind)
        self.assertEqual(a.ids("__main__.Order") - b.ids("__main__.Order"), set())
        self.check_names(b)
        self.check_sizes(b)
        self.check_way_back(b)

    def check_way_back(self, graph):
        """--object @ID is the object that DevTools shows with that number."""
        weight = list(zip(graph.type, graph.name)).index(("number", "1999.25"))
        done = run_view("--no-sidecar", "--report", "objects", "--format", "json", "--object",
                        "@%d" % graph.id[weight], self.path("b"))
        (row,) = json.loads(done.stdout)["processes"][0]["rows"]
        self.assertEqual((row["value"], row["path"]),
                         ("1999.25", "__main__.ORDERS[1999].weight"))
        done = run_view("--no-sidecar", "--report", "objects", "--object", "@2",
                        self.path("b"))
        self.assertIn(b"no object at that address", done.stdout)

    def check_names(self, graph):
        texts = collections.Counter(n for n, t in zip(graph.name, graph.type)
                                    if t == "string")
        urls = [n for n in texts if n.startswith("https://example.com/the-same/")]
        self.assertGreaterEqual(len(urls), 501)
        self.assertEqual({texts[n] for n in urls}, {1})
        twice = [n for n in texts if n.startswith("twice https")]
        self.assertEqual([texts[n] for n in twice], [2])
        named = set(zip(graph.type, graph.name))
        self.assertIn(("closure", "__main__.Order"), named)
        self.assertIn(("object", "module array"), named)
        self.assertIn(("number", "1999.25"), named)
        self.assertIn(("native", "bytearray data"), named)
        self.assertTrue(any(t == "synthetic" and " of thread " in n and ":" in n
                            for t, n in named))
        start = graph.name.index("(unreachable)")
        self.assertEqual([graph.name[n] for n in graph.to[start]].count("__main__.Loop"), 1)

    def check_sizes(self, graph):
        done = run_view("--no-sidecar", "--report", "objects", "--all", "--format", "json",
                        self.path("b"))
        rows = sorted((r["address"], r["retained"]) for r in
                      json.loads(done.stdout)["processes"][0]["rows"])
        retained = graph.retained()
        self.assertNotIn(None, retained)
        first = 1 + max(n for n, t in enumerate(graph.type) if t == "synthetic")
        self.assertEqual(retained[first:first + len(rows)], [r for _, r in rows])
        self.assertEqual({graph.type[n] for n in range(first + len(rows), len(retained))},
                         {"native"})
        self.assertGreater(retained[0], 4600000)

    def test_incomplete(self):
        """An export of a truncated snapshot says so, once, and is what there is."""
        with Target(some_interpreters(1)[0], "ready(); serve()") as target:
            run_load("-q", "-f", self.path("whole"), target.pid)
        with open(self.path("whole"), "rb") as f:
            data = f.read()
        with open(self.path("cut"), "wb") as f:
            f.write(data[:len(data) * 9 // 10])
        for kind in "jsonl", "heapsnapshot", "html":
            out = self.path("out." + kind)
            done = run_view("--no-sidecar", "--export", kind, "-o", out, self.path("cut"))
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertEqual(done.stderr.count(b"INCOMPLETE"), 1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertGreater(os.path.getsize(out), 1000)


if __name__ == "__main__":
    main()
