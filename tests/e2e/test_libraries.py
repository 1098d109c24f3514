# ctest: labels=e2e;ptrace;libraries timeout=1800
# SPDX-License-Identifier: MIT
"""What real libraries take from malloc belongs to objects of the right type: nine tenths
of it at least (tests/run --libraries; Debian's packages with Debian's Python)."""
import json
import os
import re
import subprocess

from harness import Case, Python, Target, main, run_load, run_view, skip_all
from nativetarget import capture, native_target

DEBIAN = "/usr/bin/python3"
# What a library needs to be there, first; then what is measured; then whose that is; then
# the environment: what a library takes from Python's allocator malloc only sees without it.
LIBRARIES = {
    "ssl": ("import ssl; ssl.create_default_context()",
            "kept = [ssl.create_default_context() for _ in range(30)]",
            ("SSLContext",)),
    "sqlite3": ("import sqlite3; sqlite3.connect(':memory:').execute('select 1')",
                "kept = []\n"
                "for n in range(3):\n"
                "    db = sqlite3.connect(':memory:'); kept.append(db)\n"
                "    db.execute('create table t (a text, b int)')\n"
                "    db.executemany('insert into t values (?, ?)',\n"
                "                   (('row %d ' % i * 30, i) for i in range(20000)))\n"
                "cursor = db.execute('select * from t'); cursor.fetchone()",
                ("Connection",)),
    "bz2": ("import bz2", "kept = [bz2.BZ2Compressor() for _ in range(6)]",
            ("BZ2Compressor",)),
    "lzma": ("import lzma", "kept = [lzma.LZMACompressor(preset=1) for _ in range(6)]",
             ("LZMACompressor",)),
    "expat": ("import xml.parsers.expat as expat",
              "kept = []\n"
              "for i in range(300):\n"
              "    p = expat.ParserCreate(); kept.append(p)\n"
              "    p.Parse(b'<a>' + b''.join(b'<b%d x%d=\"1\">' % (k, k)"
              " for k in range(50)))",
              ("xmlparser",), {"PYTHONMALLOC": "malloc"}),
    "hashlib": ("import hashlib, hmac; hmac.new(b'', b'', 'sha256')",
                "kept = [hmac.new(b'k', b'%d' % i, 'sha256') for i in range(3000)]",
                ("HMAC", "HASH")),
    "decimal": ("import decimal; decimal.getcontext().prec = 5000",
                "kept = [decimal.Decimal(1) / decimal.Decimal(i + 3) for i in range(1000)]",
                ("Decimal",)),
    "lxml": ("from lxml import etree; etree.fromstring('<a><b/></a>')",
             "kept = [etree.fromstring('<a>' + '<p class=\"c\">some words<b>bold</b></p>' * 2000"
             " + '</a>').find('p') for _ in range(20)]",
             ("_Document",)),
    "pillow": ("from PIL import Image; Image.new('RGB', (9, 9)).resize((5, 5))",
               "kept = [Image.new('RGB', (500, 300), i) for i in range(40)]",
               ("ImagingCore",)),
    "matplotlib": ("import matplotlib; matplotlib.use('agg')\n"
                   "import matplotlib.pyplot as plt\n"
                   "f = plt.figure(); f.canvas.draw(); plt.close(f)",
                   "kept = []\n"
                   "for i in range(10):\n"
                   "    f = plt.figure(); f.gca().plot(range(100)); f.canvas.draw()\n"
                   "    kept.append(f)",
                   ("RendererAgg", "FT2Font", "ndarray")),
    "protobuf": ("from google.protobuf import struct_pb2",
                 "kept = []\n"
                 "for i in range(2000):\n"
                 "    s = struct_pb2.Struct(); kept.append(s)\n"
                 "    for k in range(20): s['key%d' % k] = 'value %d' % k",
                 ("Struct",)),
    "qt": ("os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
           "from PyQt5.QtGui import QImage; QImage(10, 10, QImage.Format_RGB32)",
           "kept = [QImage(500, 300, QImage.Format_RGB32) for _ in range(40)]",
           ("QImage",)),
    "numpy": ("import numpy", "kept = [numpy.ones(5000 + i) for i in range(500)]",
              ("ndarray",)),
    "torch": ("import torch; torch.ones(3)",
              "kept = [torch.ones(5000 + i) for i in range(500)]",
              ("Tensor",)),
    "apsw": ("import apsw; apsw.Connection(':memory:').cursor().execute('select 1')",
             "kept = []\n"
             "for n in range(3):\n"
             "    db = apsw.Connection(':memory:'); kept.append(db); c = db.cursor()\n"
             "    c.execute('create table t (a text, b int)'); c.execute('begin')\n"
             "    c.executemany('insert into t values (?, ?)',\n"
             "                  (('row %d ' % i * 30, i) for i in range(20000)))\n"
             "    c.execute('commit')",
             ("Connection",)),
    "av": ("import av; av.VideoFrame(64, 64, 'rgb24')",
           "kept = [av.VideoFrame(640, 480, 'rgb24') for i in range(20)]", ("VideoFrame",)),
    # the state of a compressor is a large structure with arrays in it
    "brotli": ("import brotli; brotli.compress(b'a')",
               "kept = []\n"
               "for i in range(10):\n"
               "    c = brotli.Compressor(); c.process(os.urandom(100000)); kept.append(c)",
               ("Compressor",)),
    "cairo": ("import cairo; cairo.ImageSurface(cairo.FORMAT_ARGB32, 6, 8)",
              "kept = [cairo.ImageSurface(cairo.FORMAT_ARGB32, 600, 80 + i) for i in range(40)]",
              ("ImageSurface",)),
    # its arrays lie in the object, which doesn't say how large it is
    "cffi": ("import cffi; ffi = cffi.FFI(); ffi.new('char[10]')",
             "kept = [ffi.new('char[]', 100000) for i in range(50)]",
             ("__CDataOwn", "_CDataBase")),
    "fitz": ("import fitz; fitz.open().new_page()",
             "kept = []\n"
             "for i in range(10):\n"
             "    d = fitz.open(); kept.append(d)\n"
             "    for k in range(60): d.new_page().insert_text((50, 50), 'words %d' % k)",
             ("SwigPyObject",)),
    "igraph": ("import igraph; igraph.Graph.Ring(10)",
               "kept = [igraph.Graph.Erdos_Renyi(n=2000, m=20000) for i in range(10)]",
               ("Graph",)),
    "lmdb": ("import lmdb, tempfile",
             "e = lmdb.open(tempfile.mkdtemp(), map_size=1 << 28)\n"
             "t = e.begin(write=True)\n"
             "for i in range(60000): t.put(b'k%d' % i, b'v' * 400)",
             ("Transaction", "Environment")),
    # its buffer's address is the last of 40 KiB of fields
    "msgpack": ("import msgpack; msgpack.Unpacker()",
                "kept = []\n"
                "for i in range(20):\n"
                "    u = msgpack.Unpacker(); u.feed(b'x' * 500000); kept.append(u)",
                ("Unpacker",)),
    "pandas": ("import pandas as pd; pd.Index(['a']).get_loc('a')",
               "kept = []\n"
               "for i in range(5):\n"
               "    ix = pd.Index(['k%d' % k for k in range(100000)]); ix.get_loc('k5')\n"
               "    kept.append(ix)",
               ("PyObjectHashTable", "ndarray")),
    "pikepdf": ("import pikepdf; pikepdf.Pdf.new()",
                "kept = []\n"
                "for i in range(10):\n"
                "    d = pikepdf.Pdf.new(); kept.append(d)\n"
                "    for k in range(3000):\n"
                "        d.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.X, N=k))",
                ("Pdf",)),
    "plyvel": ("import plyvel, tempfile",
               "db = plyvel.DB(tempfile.mkdtemp(), create_if_missing=True,\n"
               "               write_buffer_size=64 << 20)\n"
               "for i in range(30000): db.put(b'k%d' % i, b'v' * 500)",
               ("DB",)),
    "pycurl": ("import pycurl; pycurl.Curl()", "kept = [pycurl.Curl() for i in range(300)]",
               ("Curl",)),
    "pygame": ("os.environ['SDL_VIDEODRIVER'] = 'dummy'\nimport pygame; pygame.Surface((6, 4))",
               "kept = [pygame.Surface((640, 480)) for i in range(20)]", ("Surface",)),
    "scipy": ("import numpy\nfrom scipy.spatial import cKDTree\ncKDTree(numpy.random.rand(10, 3))",
              "kept = [cKDTree(numpy.random.rand(50000, 3)) for i in range(4)]",
              ("cKDTree", "ndarray")),
    # called through ctypes: what leads to a geometry, or an image, is an int
    "shapely": ("from shapely.geometry import Point; Point(1, 1).buffer(2)",
                "kept = [Point(i, i).buffer(10.0, 128) for i in range(800)]", ("int",)),
    "sklearn": ("import numpy\nfrom sklearn.ensemble import RandomForestRegressor as Forest\n"
                "X = numpy.random.rand(800, 8); y = numpy.random.rand(800)\n"
                "Forest(n_estimators=2).fit(X, y)",
                "kept = [Forest(n_estimators=40).fit(X, y) for i in range(4)]", ("Tree",)),
    "wand": ("from wand.image import Image; Image(width=9, height=9, pseudo='xc:red')",
             "kept = [Image(width=500, height=300, pseudo='xc:red') for i in range(10)]",
             ("int",)),
    "zmq": ("import zmq\nctx = zmq.Context()\n"
            "s = ctx.socket(zmq.PUSH); s.set_hwm(0); s.bind('inproc://a')\n"
            "p = ctx.socket(zmq.PULL); p.set_hwm(0); p.connect('inproc://a')",
            "for i in range(5000): s.send(b'x' * 3000)", ("Context", "Socket")),
    "zstandard": ("import zstandard; zstandard.ZstdCompressor().compress(b'a')",
                  "kept = []\n"
                  "for i in range(10):\n"
                  "    c = zstandard.ZstdCompressor(level=3).compressobj(); kept.append(c)\n"
                  "    c.compress(os.urandom(100000))",
                  ("ZstdCompressor",)),
    "opencv": ("import cv2, numpy; cv2.UMat(numpy.ones((9, 9)))",
               "kept = [cv2.UMat(numpy.ones((300, 300))) for _ in range(40)]",
               ("UMat", "ndarray")),       # a UMat made of an array keeps that
}


class Libraries(Case):
    def check(self, name):
        setup, body, names, *env = LIBRARIES[name]
        if subprocess.run([DEBIAN, "-c", "import os\n" + setup],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            self.skipTest("Debian's %s is not installed" % name)
        with native_target(Python(DEBIAN), setup, body, *env) as t:
            said = capture(self, t)
            owned = said.of(*names)
            known = sum(said.alone.values()) + sum(said.together.values())
            print("%-12s malloc +%d, %.1f %% owned by %s, %d bytes by others" %
                  (name, t.greeting, 100 * owned / t.greeting, "/".join(names),
                   known - owned), flush=True)
            self.assertEqual(1, said.facts["malloc.known"])
            self.assertGreater(owned, 0.9 * t.greeting)
            self.assertLess(owned, 1.1 * t.greeting + 500000)   # and what setup had left


for _name in LIBRARIES:
    setattr(Libraries, "test_" + _name, lambda self, name=_name: self.check(name))


class Keeps(Case):
    """What C++ keeps alive of C++ that Python's objects stand for."""

    def test_tensors_of_a_graph(self):
        """Losses that are collected keep their graph, and that its inputs."""
        setup = "import torch\nw = torch.ones(1000, 200, requires_grad=True)\n"
        if subprocess.run([DEBIAN, "-c", setup], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("Debian's torch is not installed")
        body = ("losses = []\n"
                "for i in range(100):\n"
                "    losses.append((torch.randn(50, 1000) @ w).sum() * 2)\n"
                "ready(); serve()\n")
        with Target(Python(DEBIAN), setup + body) as t:
            path = self.path("graph.pymem")
            self.assertEqual(run_load("-q", "-f", path, str(t.pid)).returncode, 0)
        done = run_view(path, "--no-sidecar", "--report", "suspects", "--format", "json")
        first = json.loads(done.stdout)["processes"][0]["rows"][0]
        self.assertIn("__main__.losses -> list -> 100 Tensor", first["text"])
        self.assertGreater(first["retained"], 100 * 50 * 1000 * 4 * 0.9)


# Programs of numeric libraries, and which share of the counted references is explained.
EXPLAINED = {
    "numpy": ("import numpy as np\nrows = [np.random.rand(100) for _ in range(3000)]\n", 0.995),
    "pandas": ("import pandas as pd, numpy as np\n"
               "frames = [pd.DataFrame({'k': np.arange(500), 's': list(map(str, range(500)))})\n"
               "          for _ in range(40)]\n"
               "sums = [f.groupby('s').sum() for f in frames]\n", 0.995),
    "scipy signal": ("import numpy as np, scipy.signal as sg\n"
                     "done = [sg.lfilter(*sg.butter(4, 0.2), np.random.rand(500))\n"
                     "        for _ in range(300)]\n", 0.995),
    "scipy optimize": ("import numpy as np, scipy.optimize as op, scipy.stats as st\n"
                       "done = [op.minimize(lambda x: (x ** 2).sum(), np.ones(3))\n"
                       "        for _ in range(20)] + [st.norm.fit(np.random.rand(50))]\n", 0.995),
    "scipy linalg": ("import numpy as np, scipy.linalg as la, scipy.sparse as sp\n"
                     "import scipy.sparse.linalg as sla\n"
                     "done = [sp.random(500, 500, density=0.01, format='csr') for _ in range(20)]\n"
                     "done += [la.svd(np.random.rand(40, 40)), sla.eigs(done[0], k=3)]\n", 0.995),
    "gevent": ("import gevent, gevent.event\ne = gevent.event.Event()\n"
               "waiting = [gevent.spawn(e.wait) for _ in range(300)]\ngevent.sleep(0)\n", 0.99),
}


class Explained(Case):
    def test_shares(self):
        for name, (setup, least) in EXPLAINED.items():
            if subprocess.run([DEBIAN, "-c", setup], stderr=subprocess.DEVNULL).returncode:
                print(name, "is not installed", flush=True)
                continue
            with self.subTest(name), Target(Python(DEBIAN), setup + "ready(); serve()") as t:
                path = self.path("explained.pymem")
                self.assertEqual(run_load("-q", "-f", path, str(t.pid)).returncode, 0)
                done = run_view(path, "--no-sidecar", "--report", "overview", "--format", "json")
                row = json.loads(done.stdout)["processes"][0]["rows"][0]
                share = row["explained_share"]
                print("%s: %.2f %%" % (name, 100 * share), flush=True)
                self.assertGreaterEqual(share, least)


# What a process has beside Python's heap and glibc's: code, environment.
MEMORY = {
    "jemalloc": ("x = [bytes(3000) for _ in range(20000)]", {"LD_PRELOAD": "libjemalloc.so.2"}),
    "tcmalloc": ("x = [bytes(3000) for _ in range(20000)]",
                 {"LD_PRELOAD": "libtcmalloc_minimal.so.4"}),
    "mimalloc": ("x = [bytes(3000) for _ in range(20000)]", {"LD_PRELOAD": "libmimalloc.so.2"}),
    "malloc alone": ("x = [str(i) for i in range(300000)]", {"PYTHONMALLOC": "malloc"}),
    "a mapped file": ("import mmap, tempfile\nf = tempfile.TemporaryFile()\n"
                      "f.truncate(64 << 20)\nm = mmap.mmap(f.fileno(), 64 << 20)\n"
                      "for i in range(0, 64 << 20, 4096): m[i] = 1", {}),
    "huge pages": ("import mmap\nm = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | "
                   "mmap.MAP_ANONYMOUS)\nm.madvise(14)\n"
                   "for i in range(0, 64 << 20, 4096): m[i] = 1", {}),
    "POSIX shared memory": ("import multiprocessing.shared_memory as shm\n"
                            "s = shm.SharedMemory(create=True, size=32 << 20)\n"
                            "for i in range(0, 32 << 20, 4096): s.buf[i] = 1\ns.unlink()", {}),
    "SysV shared memory": ("import ctypes\nlibc = ctypes.CDLL(None)\n"
                           "libc.shmat.restype = ctypes.c_void_p\n"
                           "i = libc.shmget(0, 32 << 20, 0o1600)\na = libc.shmat(i, None, 0)\n"
                           "libc.shmctl(i, 0, None)\nctypes.memset(a, 1, 32 << 20)", {}),
    "1,000 threads": ("import threading\ne = threading.Event()\n"
                      "for i in range(1000): threading.Thread(target=e.wait, daemon=True).start()",
                      {}),
}


def resident(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Rss: +(\d+) kB", f.read(), re.M).group(1)) << 10


class Closes(Case):
    """The budget adds up to what is resident, but for the pages that the capture itself
    touches: of libraries, some hundred KiB."""

    def test_budget_closes(self):
        for name, (code, env) in MEMORY.items():
            with self.subTest(name), \
                    Target(Python(DEBIAN), code + "\nready(); serve()\n", env=env) as t:
                path = self.path("%d.pymem" % t.pid)
                before = resident(t.pid)
                self.assertEqual(run_load("-q", "-f", path, str(t.pid)).returncode, 0)
                done = run_view(path, "--no-sidecar", "--report", "budget", "--format", "json")
                rows = json.loads(done.stdout)["processes"][0]["rows"]
                total = sum(row["size"] for row in rows)
                self.assertGreater(total, before * 0.99)
                self.assertLess(total, before * 1.01 + (1 << 20))


if __name__ == "__main__":
    if os.environ.get("PYMEM_TEST_LIBRARIES") != "1":
        skip_all("tests/run --libraries runs this")
    main()
