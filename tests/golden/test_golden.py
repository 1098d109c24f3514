# SPDX-License-Identifier: MIT
"""Files of every released format version are read, and mean what they always meant.

Beside each NAME.pymem lies NAME.jsonl.zst, the export expected.  It is compared with what the
C code exports, and with what the second reader (snapshot.py) makes of the file, which was
written from the specification alone.  PYMEM_JSONL names the export
program, PYMEM_VIEW the viewer.
"""
import glob
import json
import os
import subprocess
import unittest

import snapshot

HERE = os.path.dirname(os.path.abspath(__file__))
JSONL = os.environ["PYMEM_JSONL"]
VIEW = os.environ["PYMEM_VIEW"]


def export(path):
    out = subprocess.run([JSONL, path], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.decode("ascii").splitlines()]


def chrome(path):
    out = subprocess.run([VIEW, "--no-sidecar", "--export", "heapsnapshot", "-o", "-", path],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(out.decode("ascii"))


def expected(path):
    packed = path.replace(".pymem", ".jsonl.zst")
    out = subprocess.run(["zstd", "-dcq", packed], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.decode("ascii").splitlines()]


class Golden(unittest.TestCase):
    def each(self):
        paths = sorted(glob.glob(os.path.join(HERE, "*.pymem")))
        self.assertGreaterEqual(len(paths), 3)
        yield from paths

    def assertLines(self, got, want):
        for number, (a, b) in enumerate(zip(got, want)):
            self.assertEqual(a, b, "line %d" % (number + 1))
        self.assertEqual(len(got), len(want))

    def test_export(self):
        for path in self.each():
            self.assertLines(export(path), expected(path))

    def test_second_reader(self):
        for path in self.each():
            with open(path, "rb") as file:
                processes = snapshot.read(file.read())
            lines = [line for i, p in enumerate(processes) for line in p.lines(i)]
            self.assertLines(lines, expected(path))

    def test_is_zstd(self):
        for path in self.each():
            subprocess.run(["zstd", "-tq", path], check=True)

    def test_damage_is_told(self):
        for path in self.each():
            with open(path, "rb") as file:
                data = bytearray(file.read())
            data[len(data) // 2] ^= 16
            with self.assertRaises((snapshot.Corrupt, subprocess.CalledProcessError)):
                snapshot.read(bytes(data))

    def test_chrome(self):
        """The .heapsnapshot has the same objects and references, and what its readers ask."""
        for path in self.each():
            with open(path, "rb") as file:
                process = snapshot.read(file.read())[0]
            self.check_chrome(chrome(path), process)

    def check_chrome(self, heap, process):
        fields = heap["snapshot"]["meta"]["node_fields"]
        kinds = heap["snapshot"]["meta"]["edge_types"][0]
        width, flat = len(fields), heap["nodes"]
        nodes = [dict(zip(fields, flat[i:i + width])) for i in range(0, len(flat), width)]
        edges = list(zip(*[iter(heap["edges"])] * 3))
        self.assertEqual(len(nodes), heap["snapshot"]["node_count"])
        self.assertEqual(len(edges), heap["snapshot"]["edge_count"])
        self.assertEqual(len({node["id"] for node in nodes}), len(nodes))
        for array in "nodes", "edges":
            self.assertTrue(all(0 <= cell < 2**32 for cell in heap[array]))
        retained = {to // width for kind, _, to in edges if kinds[kind] != "weak"}
        self.assertEqual(len(retained), len(nodes) - 1)     # all but the root
        types = heap["snapshot"]["meta"]["node_types"][0]
        first = 1 + max(i for i, node in enumerate(nodes) if types[node["type"]] == "synthetic")
        position = sum(node["edge_count"] for node in nodes[:first])
        # the viewer knows that no object lies at an odd address
        objects = sorted((o for o in process.objects if o["address"] % 8 == 0),
                         key=lambda o: o["address"])
        natives = first + len(objects)
        self.assertEqual({types[node["type"]] for node in nodes[natives:]} - {"native"}, set())
        numbers = {o["address"]: first + i for i, o in enumerate(objects)}
        for o, node in zip(objects, nodes[first:]):
            self.assertLessEqual(node["self_size"], min(o["size"], 2**32 - 1))
            own = edges[position:position + node["edge_count"]]
            position += node["edge_count"]
            own = [edge for edge in own if edge[2] // width < natives]
            refs = [r for r in process.references(o) if r["to"] in numbers]
            self.assertEqual([to // width for _, _, to in own],
                             [numbers[r["to"]] for r in refs])
            for (kind, name, _), ref in zip(own, refs):
                self.check_name(heap["strings"], kinds[kind], name, ref)
        self.assertEqual(position, len(edges))

    def check_name(self, strings, kind, name, ref):
        if ref["kind"] == "index":
            self.assertEqual((kind, "[%d]" % name), ("element", ref["label"]))
        elif ref["kind"] == "attr" and ref["label"] != ".__dict__":
            self.assertEqual((kind, "." + strings[name]), ("property", ref["label"]))
        elif ref["kind"] == "weak":
            self.assertEqual(kind, "weak")
        elif ref["label"] == "['plain']":
            self.assertEqual((kind, strings[name]), ("property", "plain"))


if __name__ == "__main__":
    unittest.main()
