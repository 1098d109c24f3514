# SPDX-License-Identifier: MIT
"""Files of every released format version are read, and mean what they always meant.

Beside each NAME.pymem lies NAME.jsonl.zst, the export expected.  It is compared with what the
C code exports, and with what the second reader (snapshot.py) makes of the file, which was
written from the specification alone.  PYMEM_JSONL names the export program.
"""
import glob
import json
import os
import subprocess
import unittest

import snapshot

HERE = os.path.dirname(os.path.abspath(__file__))
JSONL = os.environ["PYMEM_JSONL"]


def export(path):
    out = subprocess.run([JSONL, path], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.decode("ascii").splitlines()]


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


if __name__ == "__main__":
    unittest.main()
