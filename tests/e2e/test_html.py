# ctest: labels=e2e;view timeout=600 cost=34
# SPDX-License-Identifier: MIT
"""--export html: one page that asks for nothing, holds no text of a target as markup, is of
use without its script, and stays small.  In real browsers with tests/run --browser."""
import base64
import hashlib
import html.parser
import re

from harness import *

MAKE = os.path.join(BUILD, "bin", "make_snapshot")
GEN = os.path.join(BUILD, "bin", "pymem-gen")
VOID = {"meta", "br", "hr", "img", "input", "link", "rect"}
DRIVER = os.path.join(ROOT, "tests", "browser", "page.js")
FIREFOX = os.path.join(ROOT, "tests", "browser", "firefox.py")
LIMIT = 3 * 10**6

HOSTILE = r'''
import types, sys
BAD = "</script></title></style><img src=x onerror=alert(1)><!--\"'`&lt;\u202e\x1b[2J]]>"
Bad = type(BAD, (), {})
keep = {BAD: [Bad() for _ in range(2000)], BAD + "2": BAD * 50,
        1: {BAD: [BAD + str(i) for i in range(900)]}}
for o in keep[BAD]:
    setattr(o, BAD, [BAD])
module = types.ModuleType(BAD)
sys.modules[BAD] = module
setattr(module, BAD, [Bad() for _ in range(2000)])
SECRET = "hunter2" * 200000
ready(); serve()
'''


class Page(html.parser.HTMLParser):
    """What a browser would find in it."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.attributes, self.open = "", [], [], []
        self.scripts, self.styles, self.data, self.stray = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.stray.append((tag, self.getpos()))
        else:
            self.open.pop()

    def handle_comment(self, data):
        self.stray.append(("comment", data))

    def handle_data(self, data):
        tag, attrs = self.open[-1] if self.open else ("", {})
        if tag == "style":
            self.styles.append(data)
        elif tag == "script" and attrs.get("type") == "application/json":
            self.data.append(json.loads(data))
        elif tag == "script":
            self.scripts.append(data)
        else:
            self.text += data


class Html(Case):
    def page(self, *files, args=()):
        out = self.path("page.html")
        done = run_view("--no-sidecar", *files, "--export", "html", "-o", out, *args)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(os.stat(out).st_mode & 0o777, 0o600)
        with open(out, encoding="utf-8") as f:
            text = f.read()
        self.assertLess(len(text.encode()), LIMIT)
        page = Page(text)
        page.source = text
        self.check_closed(page)
        return page

    def check_closed(self, page):
        """No request, no code but ours, no markup but ours."""
        self.assertEqual((page.stray, page.open), ([], []))
        policy = [v for t, n, v in page.attributes if t == "meta" and n == "content"
                  and "default-src" in v]
        self.assertEqual(len(policy), 1)
        self.assertEqual((len(page.scripts), len(page.styles)), (1, 1))
        digest = lambda t: "'sha256-%s'" % base64.b64encode(
            hashlib.sha256(t.encode()).digest()).decode()
        self.assertEqual(policy[0], "default-src 'none'; style-src %s; script-src %s; "
                         "base-uri 'none'; form-action 'none'"
                         % (digest(page.styles[0]), digest(page.scripts[0])))
        allowed = set("html head meta title style body header h1 h2 h3 h4 h5 p nav ul ol li a span "
                      "section article svg rect g text code dl dt dd div table thead tbody tr th "
                      "td details summary script".split())
        self.assertEqual(set(page.tags) - allowed, set())
        for tag, name, value in page.attributes:
            self.assertFalse(name.startswith("on") or name in ("src", "style", "srcset"), name)
            if name == "href":
                self.assertTrue(value.startswith("#"), value)
        ids = [v for _, n, v in page.attributes if n == "id"]
        self.assertEqual(len(ids), len(set(ids)))
        links = {v[1:] for _, n, v in page.attributes if n == "href"}
        self.assertEqual(links - set(ids), set())

    def check_tree(self, node, depth=0):
        name, step, kind, size, objects, card, children = node
        self.assertLessEqual(sum(c[3] for c in children), size)
        self.assertEqual([c[3] for c in children], sorted((c[3] for c in children), reverse=True))
        return 1 + sum(self.check_tree(c, depth + 1) for c in children)

    def made(self, kind):
        subprocess.run([MAKE, kind, self.path(kind)], check=True, timeout=300)
        return self.path(kind)

    def test_page(self):
        page = self.page(self.made("shop"))
        for part in ("shop.cache.STORE['sessions']", "60 Session", "Where memory accumulates",
                     "Types", "By package", "shop.models.Session", "The way it is held",
                     "Usual cause: ", "What to do: ", "It is reached from "):
            self.assertIn(part, page.text)
        self.assertEqual(len(page.data), 1)
        for tree in ("holder", "type"):
            self.assertGreater(self.check_tree(page.data[0][tree]), 5)
        self.assertGreaterEqual(page.data[0]["holder"][3], page.data[0]["type"][3])
        self.assertGreater(page.tags.count("rect"), 10)

    def test_compared_and_several(self):
        page = self.page(self.made("later"), args=["--compare", self.made("shop")])
        self.assertIn("What changed", page.text)
        page = self.page(self.made("shop"), self.made("other"))
        self.assertEqual(len(page.data), 2)
        self.assertRegex(page.text, r"\d [KM]?i?B of objects")

    def test_usual(self):
        """What every interpreter has is said last, and has no number among the suspects."""
        with Target(interpreters()[-1], "keep = ['k%d' % i for i in range(100000)]\n"
                    "ready(); serve()") as t:
            done = run_load("-q", "-f", self.path("usual"), t.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
        page = self.page(self.path("usual"), args=["--compare", self.path("usual")])
        self.assertRegex(page.text, r"What changed since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC")
        ranks = re.findall(r"<span class=rank>(\w+)</span>", page.source)
        numbers = [r for r in ranks if r != "usual"]
        self.assertEqual(numbers, [str(i + 1) for i in range(len(numbers))])
        self.assertGreater(len(numbers), 0)
        self.assertGreater(len(ranks), len(numbers))
        self.assertEqual(ranks, numbers + ["usual"] * (len(ranks) - len(numbers)))
        labels = re.findall(r"<text [^>]*>(\u00d7[^<]*)</text>", page.source)
        self.assertGreater(len(labels), 0)
        for label in labels:   # a part of a number would be another one
            self.assertNotRegex(label, r"\d[,\d]*\u2026|\u2026\d")

    def test_hostile(self):
        self.page(self.made("hostile"))
        python = interpreters()[-1]
        with Target(python, HOSTILE) as t:
            for more in ([], ["--no-values"]):
                snapshot = self.path("h%d" % len(more))
                done = run_load("-q", "-f", snapshot, *more, t.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                page = self.page(snapshot)
                self.assertIn("<img src=x onerror=alert(1)>", page.text)
                self.assertEqual("hunter2" in page.text + json.dumps(page.data), not more)

    def test_large(self):
        """A hundred thousand objects of three hundred types: pruned, and it says so."""
        page = self.page(self.generated())
        blocks = sum(self.check_tree(page.data[0][t]) for t in ("holder", "type"))
        self.assertLessEqual(blocks, 2000)
        self.assertIn("The largest 100 of", page.text)

    def generated(self):
        out = self.path("large")
        subprocess.run([GEN, "-n", "100k", "-t", "300", "-l", "module:40", "-o", out], check=True,
                       timeout=600)
        return out

    def test_many_processes(self):
        many = self.path("many")
        for pid in range(45):
            subprocess.run([GEN, "-n", "300", "-p", str(pid + 1), "-a", "-o", many], check=True,
                           timeout=300, stderr=subprocess.DEVNULL)
        page = self.page(many)
        self.assertIn("of 45 processes", page.text)
        self.assertGreater(len(page.data), 20)

    def test_refused(self):
        shop = self.made("shop")
        for args, word in ((["--export", "html"], b"-o FILE"),
                           (["--export", "html", "-o", "/nonexistent/x.html"], b"No such file")):
            done = run_view("--no-sidecar", shop, *args)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(word, done.stderr)

    @unittest.skipUnless(os.environ.get("PYMEM_TEST_BROWSER"), "tests/run --browser")
    def test_browser(self):
        modules = os.path.join(BUILD, "browser", "node_modules")
        env = dict(os.environ, NODE_PATH=modules)
        for files, args in (([self.made("shop")], []),
                            ([self.made("later")], ["--compare", self.path("shop")]),
                            ([self.path("shop"), self.made("hostile")], [])):
            self.page(*files, args=args)
            done = run(["node", DRIVER, shutil.which("chromium"), self.path("page.html"),
                        self.tmp], timeout=300, env=env)
            self.assertEqual(done.returncode, 0, done.stderr.decode())

    @unittest.skipUnless(os.environ.get("PYMEM_TEST_BROWSER"), "tests/run --browser")
    def test_firefox(self):
        program = shutil.which("firefox-esr") or shutil.which("firefox")
        if not program:
            self.skipTest("Firefox is not here")
        for files, args in (([self.made("shop")], []),
                            ([self.path("shop"), self.made("hostile")], [])):
            self.page(*files, args=args)
            done = run([sys.executable, "-B", FIREFOX, program, self.path("page.html"), self.tmp],
                       timeout=1200)
            self.assertEqual(done.returncode, 0, done.stderr.decode())


if __name__ == "__main__":
    main()
