# ctest: labels=e2e cost=21
# SPDX-License-Identifier: MIT
"""Graphs: the DOT text of each kind, pictures, hostile labels, wrong use."""
import os
import re
import struct
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree
import zlib

from harness import BUILD, ROOT, VIEW

GOLDEN = os.path.join(ROOT, "tests", "screens", "golden")
MAKE = os.path.join(BUILD, "bin", "make_snapshot")
UPDATE = os.environ.get("PYMEM_UPDATE_GOLDEN") == "1"
LIST = "0x7f10000000f0"		# STORE['sessions'] of the snapshot `shop`


class Graph(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="pymem-graph-")
        for kind in ("shop", "hostile"):
            subprocess.run([MAKE, kind, os.path.join(cls.dir.name, kind)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def view(self, *args, snapshot="shop", code=0, env=None):
        done = subprocess.run([VIEW, "--no-sidecar", os.path.join(self.dir.name, snapshot), *args],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              env=env, timeout=600)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def graph(self, kind, suffix, *args, **more):
        out = os.path.join(self.dir.name, "out." + suffix)
        if os.path.exists(out):
            os.unlink(out)
        self.view("--graph", kind, "-o", out, *args, **more)
        self.assertEqual(os.stat(out).st_mode & 0o777, 0o600)
        with open(out, "rb") as f:
            return f.read()

    def dot(self, name, kind, *args, **more):
        text = self.graph(kind, "dot", *args, **more).decode()
        path = os.path.join(GOLDEN, name + ".dot")
        if UPDATE:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        with open(path, encoding="utf-8") as f:
            self.assertMultiLineEqual(f.read(), text)
        return text

    def test_refs(self):
        text = self.dot("refs", "refs", "--of", LIST, "--depth", "1")
        self.assertIn("fontcolor=red", text)		# the start
        self.assertIn("\u00d7 60 Session", text)	# alike: one box
        self.assertEqual(text.count("style=bold"), 1)	# dominated by the list

    def test_backrefs(self):
        text = self.dot("backrefs", "backrefs", "--of", LIST, "--depth", "5")
        self.assertIn("['sessions']", text)
        self.assertIn("['STORE']", text)
        self.assertIn("builtins.module", text)
        self.assertIn("(modules)", text)		# the way from a root, in full
        self.assertGreaterEqual(text.count("penwidth=3, weight"), 4)
        self.assertIn("builtins.tuple", text)		# the frame's local, too

    def test_of_a_type(self):
        text = self.dot("backrefs-type", "backrefs", "--of", "shop.models.Session")
        self.assertEqual(text.count("fontcolor=red"), 3)
        self.assertEqual(text, self.graph("backrefs", "dot", "--of", "Session").decode())

    def test_dominators_of_everything(self):
        text = self.dot("dominators", "dominators", "--depth", "2")
        self.assertIn("(root)", text)
        self.assertIn("(modules)", text)

    def test_treemap(self):
        text = self.dot("treemap", "treemap")
        areas = {}
        for line in text.split("\n"):
            node = re.match(r"\s*([ar]\d+) \[area=([0-9.]+)", line)
            if node:
                areas[node.group(1)] = float(node.group(2))
        self.assertGreater(len(areas), 5)
        self.assertAlmostEqual(sum(areas.values()), 1000, delta=1)	# the whole, once

    def test_deep_chain(self):
        """A thousand and more nodes in a row, one below the other."""
        ring = os.path.join(self.dir.name, "ring")
        subprocess.run([os.path.join(BUILD, "bin", "pymem-gen"), "-n", "9000", "-l", "lru:50",
                        "-o", ring], check=True, stderr=subprocess.DEVNULL)
        for kind in ("treemap", "dominators"):
            self.assertIn("process", self.svg_text(self.graph(kind, "svg", snapshot="ring")))

    def test_without_the_library(self):
        """Where libgvc isn't found, the program dot draws."""
        bin_dir = os.path.join(self.dir.name, "path")
        os.mkdir(bin_dir)
        shim = os.path.join(bin_dir, "shim.so")
        with open(os.path.join(bin_dir, "shim.c"), "w") as f:
            f.write("void *dlopen(const char *name, int flags);\n"
                    "void *dlopen(const char *name, int flags)\n"
                    "{ (void)name; (void)flags; return 0; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, shim[:-2] + "c"], check=True)
        env = dict(os.environ, LD_PRELOAD=shim, PATH=bin_dir)
        out = os.path.join(bin_dir, "out.svg")
        args = ["--graph", "refs", "--of", LIST, "-o", out]
        self.assertIn("libgvc", self.view(*args, code=1, env=env))
        with open(os.path.join(bin_dir, "dot"), "w") as f:
            f.write("#!/bin/sh\necho $1 $2\nexec /bin/cat\n")
        os.chmod(os.path.join(bin_dir, "dot"), 0o755)
        if os.geteuid() == 0:		# what root's viewer may do is less: no exec
            self.assertIn("run by root, starts no program", self.view(*args, code=1, env=env))
            return
        self.view(*args, env=env)
        with open(out) as f:
            self.assertRegex(f.read(), r"\A-Kdot -Tsvg\ndigraph pymem")

    def test_png(self):
        for kind in ("refs", "backrefs", "dominators", "treemap"):
            data = self.graph(kind, "png", "--of", LIST)
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
            at, kinds, pixels = 8, [], b""
            while at < len(data):
                size, name = struct.unpack(">I4s", data[at:at + 8])
                body = data[at + 8:at + 8 + size]
                crc, = struct.unpack(">I", data[at + 8 + size:at + 12 + size])
                self.assertEqual(crc, zlib.crc32(name + body))
                kinds.append(name)
                pixels += body if name == b"IDAT" else b""
                at += 12 + size
            self.assertEqual(kinds[-1], b"IEND")
            self.assertGreater(len(zlib.decompress(pixels)), 1000)

    def svg_text(self, data):
        root = xml.etree.ElementTree.fromstring(data)
        return "\n".join(e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}text"))

    def test_svg(self):
        text = self.svg_text(self.graph("refs", "svg", "--of", LIST))
        self.assertIn("\u00d7 60 Session", text)
        self.assertIn("[60 items]", text)

    def test_hostile_labels(self):
        """No name ends a string, begins HTML or an entity, or reaches the picture raw."""
        for kind in ("refs", "dominators", "backrefs"):
            for of in ("builtins.list", "builtins.dict"):
                args = ["--of", of, "--depth", "4"]
                data = self.graph(kind, "svg", *args, snapshot="hostile")
                text = data.decode("utf-8")
                self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
                self.assertIn(of, self.svg_text(data))
        text = self.svg_text(self.graph("refs", "svg", "--of", "builtins.dict",
                                        snapshot="hostile"))
        self.assertIn("\\x1b]0;owned", text)
        self.assertIn("\\u202e", text)
        self.assertIn("\u5e83\u3044\u578b", text)
        self.assertLess(max(map(len, text.split("\n"))), 200)	# of a name of 10,000

    def test_wrong_use(self):
        out = os.path.join(self.dir.name, "x.png")
        self.assertIn("no type of that name in the snapshot",
                      self.view("--graph", "refs", "--of", "Nope", "-o", out, code=1))
        self.assertIn("no object begins at the address 0x1234",
                      self.view("--graph", "refs", "--of", "0x1234", "-o", out, code=1))
        self.assertIn(".png, .svg, .dot or .pdf",
                      self.view("--graph", "refs", "--of", LIST, "-o", out + ".exe", code=1))
        self.assertIn("cannot write",
                      self.view("--graph", "refs", "--of", LIST, "-o", "/nonexistent/x.png",
                                code=1))
        self.assertFalse(os.path.exists(out))
        self.assertEqual([f for f in os.listdir(self.dir.name) if f.startswith("x.")], [])

    def test_from_the_screen(self):
        """g names the file; :graph chooses kind and file."""
        cwd = os.path.join(self.dir.name, "cwd")
        os.mkdir(cwd)
        env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        script = "\n".join([
            "2/Session<Enter>g", ":assert graph backrefs backrefs_4242", "<Enter>",
            ":assert graph written: backrefs_4242_shop.models.Session.svg",
            "<Enter><Enter>g<Enter>",
            ":assert graph written: backrefs_4242_shop.models.Session_7f10",
            ":graph refs a.png", ":assert graph written: a.png",
            ":graph nonsense", ":assert no such graph",
            "4<Down>g<Enter>", ":assert graph written",
            "9g", ":assert nothing to draw",
        ])
        done = subprocess.run([VIEW, "--no-sidecar", "--script", "-",
                               os.path.join(self.dir.name, "shop")], input=script, cwd=cwd,
                              encoding="utf-8", stderr=subprocess.PIPE, env=env, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        files = sorted(os.listdir(cwd))
        self.assertEqual(len(files), 4, files)
        for name in files:
            with open(os.path.join(cwd, name), "rb") as f:
                self.assertIn(f.read(4), (b"<?xm", b"\x89PNG"))

    def test_opened_with_the_desktop(self):
        """With a display, xdg-open gets the file's name, and nobody waits for it; root
        starts no program."""
        user = []
        if os.geteuid() == 0:
            user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            os.chmod(self.dir.name, 0o777)
            os.chmod(os.path.join(self.dir.name, "shop"), 0o644)
        bin_dir = os.path.join(self.dir.name, "bin")
        os.mkdir(bin_dir)
        log = os.path.join(self.dir.name, "opened")
        with open(os.path.join(bin_dir, "xdg-open"), "w") as f:
            f.write("#!/bin/sh\necho \"$1\" > %s.new && mv %s.new %s\nexec sleep 3\n" %
                    (log, log, log))
        os.chmod(os.path.join(bin_dir, "xdg-open"), 0o755)
        env = dict(os.environ, DISPLAY=":0", PATH=bin_dir + ":" + os.environ["PATH"])
        out = os.path.join(self.dir.name, "desk.svg")
        script = "2\n:graph refs %s\n:assert opened\n" % out
        argv = [VIEW, "--no-sidecar", "--screen-size", "140x24", "--script", "-",
                os.path.join(self.dir.name, "shop")]
        if user:
            name = "2\n:graph refs desk.svg\n:assert written: desk.svg\n"
            done = subprocess.run(argv, input=name, encoding="utf-8", stderr=subprocess.PIPE,
                                  env=env, cwd=self.dir.name, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            os.unlink(out)
            self.assertFalse(os.path.exists(log))
        done = subprocess.run(user + argv, input=script, encoding="utf-8",
                              stderr=subprocess.PIPE, env=env, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        for _ in range(500):
            if os.path.exists(log):
                break
            subprocess.run(["sleep", "0.01"])
        with open(log) as f:
            self.assertEqual(f.read().strip(), out)


if __name__ == "__main__":
    unittest.main()
