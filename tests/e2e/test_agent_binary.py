# ctest: labels=e2e
# SPDX-License-Identifier: MIT
"""libpymemagent.so as a file: it is loaded into other people's processes, so what it
needs, exports and brings along is asserted with readelf and nm."""
import os
import re
import shutil
import subprocess
import unittest

from harness import AGENT, main, skip_all

NEWEST_GLIBC = (2, 17)


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()


class Binary(unittest.TestCase):
    def test_needs_libc_only(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", AGENT)))
        self.assertIn("libc.so.6", needed)
        self.assertFalse({n for n in needed - {"libc.so.6"} if not n.startswith("ld-linux")})

    def test_old_glibc_is_enough(self):
        versions = re.findall(r"@GLIBC_([\d.]+)", run("nm", "-D", "--undefined-only", AGENT))
        self.assertTrue(versions)
        self.assertLessEqual(max(tuple(map(int, v.split("."))) for v in versions), NEWEST_GLIBC)

    def test_needs_nothing_that_musl_lacks(self):
        libc = "/lib/ld-musl-x86_64.so.1"
        if not os.path.exists(libc):
            self.skipTest("no musl")
        has = {line.split()[-1] for line in run("nm", "-D", "--defined-only", libc).splitlines()}
        needs = {line.split()[1].split("@")[0] for line in
                 run("nm", "-D", "--undefined-only", AGENT).splitlines()
                 if line.split()[0] == "U"}
        self.assertEqual(needs - has, set())

    def test_exports_one_symbol(self):
        names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", AGENT).splitlines()]
        self.assertEqual(["pymem_agent_start"], names)

    def test_requires_nothing_of_python(self):
        # weak references may stay unresolved; a strong one would fail in a plain process
        for line in run("nm", "-D", "--undefined-only", AGENT).splitlines():
            kind, name = line.split()[:2]
            if "@GLIBC" not in name:
                self.assertEqual("w", kind, name)

    def test_segments(self):
        text = run("readelf", "-lW", AGENT)
        self.assertRegex(text, r"GNU_STACK.*RW  0")
        self.assertNotRegex(text, r"\bTLS\b")
        self.assertRegex(text, "GNU_RELRO")
        for line in text.splitlines():
            if line.strip().startswith("LOAD"):
                self.assertNotIn("RWE", line)

    def test_can_be_unloaded(self):
        dynamic = run("readelf", "-dW", AGENT)
        self.assertNotIn("NODELETE", dynamic)
        self.assertNotIn("TEXTREL", dynamic)
        self.assertRegex(dynamic, "NOW")
        # a unique symbol would keep the library in memory for ever
        self.assertNotRegex(run("nm", "-D", AGENT), r" u ")

    def test_start_block(self):
        """The loader fills in the block that begins this section."""
        section = re.search(r"\.pymem_start\s+PROGBITS\s+\w+ (\w+) (\w+)",
                            run("readelf", "-SW", AGENT))
        self.assertTrue(section)
        with open(AGENT, "rb") as f:
            f.seek(int(section.group(1), 16))
            block = f.read(int(section.group(2), 16))
        self.assertTrue(block.startswith(b"\x89PYMEM-START\r\n\x1a\0"))
        self.assertEqual(b"\0\0\0\0", block[24:28], "configured")


if __name__ == "__main__":
    if not os.path.exists(AGENT) or not shutil.which("readelf"):
        skip_all("libpymemagent.so or readelf is missing")
    main()
