# ctest: labels=e2e;tui cost=29
# SPDX-License-Identifier: MIT
"""Every screen of the viewer, driven by scripts, compared with golden files.

Each golden file in tests/screens/golden holds all screens of one snapshot at one
size, charset and colour setting.  After a change that is meant,

    PYMEM_UPDATE_GOLDEN=1 python3 tests/e2e/test_tui_screens.py

writes them anew; look at the difference before committing it.
"""
import os
import subprocess
import tempfile
import unicodedata
import unittest
from random import Random

from harness import BUILD, LONG, ROOT, VIEW

GOLDEN = os.path.join(ROOT, "tests", "screens", "golden")
MAKE = os.path.join(BUILD, "bin", "make_snapshot")
UPDATE = os.environ.get("PYMEM_UPDATE_GOLDEN") == "1"

# name, keys that lead there (a script of its own each, from the first screen)
SHOP = [
    ("overview", ""),
    ("types", "2"),
    ("types sorted by retained", "2>"),
    ("types inverted", "2>I"),
    ("types filtered", "2\\models<Enter>"),
    ("types searched", "2/user"),
    ("instances", "2/Session<Enter><Enter>"),
    ("object", "2/Session<Enter><Enter><Enter>"),
    ("object largest first", "2/module<Enter><Enter><Enter>o"),
    ("object of a thread", "5<Enter>"),
    ("suspects", "3"),
    ("a suspect", "3<Enter>"),
    ("dominators", "4"),
    ("dominators followed", "4*"),
    ("dominators collapsed", "4<Space>"),
    ("icicle", "4i"),
    ("icicle zoomed", "4i<Down>+<Down>"),
    ("threads", "5"),
    ("budget", "6"),
    ("duplicates", "7"),
    ("native", "8"),
    ("more", "9"),
    ("help", "?"),
    ("last rows", "2G"),
    ("not found", "2/zzz"),
    ("command prompt", ":"),
]
COMPARED = [("opens on what grew", ""), ("by type", "2"), ("the process by left", "a")]
HOSTILE = [
    ("overview", ""), ("types", "2"), ("suspects", "3"), ("tree", "4*"), ("icicle", "4i"),
    ("instances", "2G<Up><Enter>"), ("object", "2/dict<Enter><Enter><Enter>"),
    ("strings", "2/str<Enter><Enter>"), ("duplicates", "7"), ("roots", "9/roots<Enter><Enter>"),
]


class Screens(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="pymem-tui-")
        os.chmod(cls.dir.name, 0o777)   # what scripts save, run by root, nobody makes
        for kind in ("shop", "later", "other", "hostile", "cut"):
            subprocess.run([MAKE, kind, cls.path(kind)], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    @classmethod
    def path(cls, kind):
        return os.path.join(cls.dir.name, kind + ".pymem")

    def script(self, lines, *args, code=0, env=None):
        """Runs a script without any terminal; returns what it said on stderr."""
        environ = {"PATH": os.environ["PATH"], "LANG": "C", "TERM": "dumb"}
        environ.update(env or {})
        done = subprocess.run([VIEW, "--no-sidecar", "--script", "-", *args],
                              input="\n".join(lines) + "\n", encoding="utf-8",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ,
                              timeout=300, start_new_session=True)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def shot(self, keys, size, *args, command="save-display", code=0, env=None):
        out = os.path.join(self.dir.name, "screen")
        self.script([keys, ":%s %s" % (command, out)], "--screen-size", size, *args,
                    code=code, env=env)
        with open(out, encoding="utf-8") as f:
            return f.read()

    def compare(self, name, text):
        path = os.path.join(GOLDEN, name)
        if UPDATE:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        with open(path, encoding="utf-8") as f:
            self.assertMultiLineEqual(f.read(), text, name)

    def album(self, name, screens, size, *args, **more):
        text = ""
        for title, keys in screens:
            shot = self.shot(keys, size, *args, **more)
            if more.get("command", "save-display") == "save-display":
                self.check_cells(shot, size)
            text += "==== %s\n%s" % (title, shot)
        self.compare(name, text)

    def check_cells(self, shot, size):
        """As many rows as asked for, none wider, nothing a terminal would act on."""
        width, height = map(int, size.split("x"))
        rows = shot.split("\n")
        self.assertEqual(len(rows), height + 1)
        for row in rows:
            columns = 0
            for c in row:
                self.assertTrue(c.isprintable(), ascii(row))
                self.assertNotIn(unicodedata.bidirectional(c), ("R", "AL", "RLO", "RLE", "RLI"))
                self.assertEqual(unicodedata.combining(c), 0)
                columns += 2 if unicodedata.east_asian_width(c) in "WF" else 1
            self.assertLessEqual(columns, width, row)

    def test_shop(self):
        for size in ("80x24", "140x50"):
            for charset in ("utf8", "ascii"):
                with self.subTest(size=size, charset=charset):
                    self.album("shop-%s-%s.txt" % (size, charset), SHOP, size, "--" + charset,
                               self.path("shop"))

    def test_colour_and_none(self):
        screens = [s for s in SHOP if s[0] in ("overview", "types", "icicle", "object",
                                               "types searched")]
        for color in ("always", "never"):
            with self.subTest(color=color):
                self.album("shop-80x24-color-%s.looks" % color, screens, "80x24", "--color", color,
                           self.path("shop"), command="save-looks")
        shown = self.shot("2", "80x24", self.path("shop"), command="save-looks",
                          env={"NO_COLOR": "1"})
        self.assertNotRegex(shown, "(black|red|green|yellow|blue|magenta|cyan|white)")
        shown = self.shot("2", "80x24", self.path("shop"), command="save-looks",
                          env={"NO_COLOR": ""})
        self.assertRegex(shown, "green")

    def test_compared(self):
        for size in ("80x24", "140x50"):
            self.album("compared-%s.txt" % size, COMPARED, size, "--compare", self.path("shop"),
                       self.path("later"))

    def test_hostile(self):
        for size in ("80x24", "140x50", "40x10"):
            for charset in ("utf8", "ascii"):
                self.album("hostile-%s-%s.txt" % (size, charset), HOSTILE, size, "--" + charset,
                           self.path("hostile"))

    def test_small_screens(self):
        screens = [s for s in SHOP if s[0] in ("overview", "types", "object", "icicle", "help")]
        self.album("shop-40x10.txt", screens, "40x10", self.path("shop"))
        self.assertIn("too small", self.shot("", "39x10", self.path("shop")))
        self.assertIn("too small", self.shot("", "40x7", self.path("shop")))
        self.shot("2jj<Enter>?", "1x1", self.path("shop"))

    def test_every_size(self):
        """Any size at all, on the screens with the most arithmetic."""
        lines = []
        for keys in ("1", "4i", "2<Enter><Enter>"):
            lines.append(keys)
            for width, height in ((40, 8), (41, 9), (60, 13), (61, 14), (79, 23), (200, 3),
                                  (3, 200), (300, 100), (999, 999), (1, 1), (80, 24)):
                lines.append(":resize %dx%d" % (width, height))
                lines.append("jjk<PageDown><PageUp>G")
                lines.append(":save-display /dev/null")
        self.script(lines, self.path("hostile"))

    def test_truncated(self):
        text = self.shot("", "80x24", self.path("cut"), code=3)
        self.assertIn("(truncated)", text)
        self.assertIn("incomplete:", text)

    def test_pages(self):
        """One page a process; left and right in all three ways; each keeps its place."""
        files = [self.path("shop"), self.path("other")]
        self.script([":assert pid 4242", ":assert [1/2]", "2jj", "l", ":assert pid 77",
                     ":assert [2/2]", "<Left>", ":assert 3 of 10", "d", ":assert pid 77", "a",
                     ":assert pid 4242", "<Right>", "h", ":assert [1/2]", "h",
                     ":assert [2/2]"], *files)

    def test_keys(self):
        self.script([
            "2", ":assert 1 of 10", "jsk", ":assert 2 of 10", "G", ":assert 10 of 10", "H",
            ":assert 1 of 10", "<Down><Down><Up>w", ":assert 1 of 10",
            "<End>", ":assert 10 of 10", "<Home><PageDown>", ":assert 10 of 10",
            "<PageUp>", ":assert 1 of 10",
            "<Enter>", ":assert shop.audit.Record: 3 objects", "<Enter>", ":assert LOG",
            "<Backspace>", ":assert Record: 3 objects", "<Backspace>", ":assert 1 of 10",
            "<Tab>", ":assert Suspects", "<BackTab>", "?", ":assert What it does", "?",
            ":assert 1 of 10", "?", ":assert What it does", "q", ":assert 1 of 10",
            "<Enter>", ":assert Record: 3 objects", "<Esc>", ":assert 1 of 10",
        ], self.path("shop"))

    def test_search_and_filter(self):
        self.script([
            "2/dict", ":assert /dict", ":assert-not Enter open", "<Enter>", ":assert 7 of 10",
            "/builtins<Enter>n", "N", "<Esc>",
            "\\models", ":assert filter: models", ":assert shop.models.User",
            ":assert-not builtins", "<Enter>", ":assert filter: models",
            "<Esc>", ":assert of 10",
            "\\nothing<Enter>", ":assert no row contains", "<Backspace>", ":assert of 10",
            "\\user<Esc>", ":assert of 10",
        ], self.path("shop"))

    def test_alike_ones_are_one_row(self):
        """... which opens into them; a search and a filter look into it."""
        self.script([
            ":go 0x7f10000000f0", ":assert × 60 Session", ":assert-not [17]",
            "<Space>", ":assert [17]", "<Space>", ":assert-not [17]",
            "<Enter>", ":assert [17]", "<Down><Down>", ":assert 10 of", "<Space>",
            ":assert-not [17]", ":assert 8 of 12",
            "/[17]<Enter>", ":assert [17]", ":assert-not not found", "<Esc>",
            "<Space>", ":assert-not [17]",
            "\\[17]<Enter>", ":assert [17]", ":assert-not [18]", "<Esc>",
            ":assert × 60 Session", ":assert-not [17]",
            "/[9", ":assert [17]", "9]", ":assert not found",
            ":assert-not [17]", "<Esc>", ":assert 2 of 12",
            "<Tab><Tab><Tab>", ":assert 12 of 12", "<Enter>", ":assert 12 of 72",
            "<Down><Enter>", ":assert shop.models.Session at",
        ], self.path("shop"), "--screen-size", "90x100")

    def test_mouse(self):
        self.script([
            ":click-text 2Types", ":assert 1 of 10",
            ":click-text builtins.str", ":assert 2 of 10",
            ":click-text builtins.str", ":assert builtins.str: 131 objects",
            ":click-text Bksp", ":assert 2 of 10",
            ":click-text Count", ":assert Count \u25bc", ":click-text Count",
            ":assert Count \u25b2", "<WheelDown>", ":assert 4 of 10",
            ":click-text ?", ":assert What it does",
        ], self.path("shop"))

    def test_pictures_beside_the_snapshot(self):
        """Columns for pymem-load's pictures, but only where there are some."""
        folder = os.path.join(self.dir.name, "pictures")
        os.mkdir(folder)
        path = os.path.join(folder, "shop.pymem")
        subprocess.run([MAKE, "shop", path], check=True)
        size = ["--screen-size", "140x24"]
        self.script(["2", ":assert-not References"], *size, path)
        for name in ("ref_4242_Session", "backref_4242_Session", "ref_77_str", "ref_4242_x\033"):
            open(os.path.join(folder, name + ".png"), "w").close()
        self.script(["2", ":assert References", ":assert Backwards References",
                     ":assert ref_4242_Session.png", ":assert backref_4242_Session.png",
                     ":assert-not ref_77"], *size, path)

    def test_commands(self):
        self.script([":type Session", ":assert 60 objects",
                     ":go 0x7f1000000000", ":assert at 0x7f10",
                     ":report roots", ":assert MainThread", "@0x7f1000000000<Enter>",
                     ":assert at 0x7f1000000000", "@12<Enter>", ":assert no object begins at 0xc",
                     "@zz<Enter>", ":assert not an address",
                     ":click-text q quit", ":assert never reached"], self.path("shop"))

    def test_esc_stops_long_work(self):
        """Esc during the analysis: what needs none is shown, R makes the rest."""
        files = [self.path("other"), self.path("shop")]
        self.script([":interrupt 1", "d", ":assert not known: the analysis was stopped",
                     ":assert builtins.str", "R", ":assert 60 Session"], *files)
        self.script([":interrupt 1", "d", ":interrupt 1", "4", ":assert Stopped.",
                     ":assert R tries again", "R", ":assert (modules)"], *files)
        self.script([":interrupt 1", "d", ":interrupt 1", ":type Session", ":assert 60 objects",
                     "R", ":assert '][3]"], *files)

    def test_any_keys(self):
        """Random keys, clicks, sizes and stops: no crash, no broken cell."""
        keys = ("j k <Enter> <Enter> <Enter> <Backspace> <Tab> <BackTab> 1 2 3 4 5 6 7 8 9 "
                "<PageDown> <PageUp> G H <lt> > I / \\ n N o p t i * <Space> + - R <Esc> ? h l m "
                "@0x7f10000000f0<Enter> <Left> <Right> <Up> <Down> <WheelDown>").split()
        files = [self.path(kind) for kind in ("shop", "hostile", "cut", "later")]
        out = os.path.join(self.dir.name, "random")
        for seed in range(40 if LONG else 5):
            random = Random(seed)
            lines = []
            for _ in range(150):
                x = random.random()
                if x < 0.05:
                    lines.append(":resize %dx%d" % (random.randint(1, 160), random.randint(1, 60)))
                elif x < 0.12:
                    lines.append(":click %d %d" % (random.randint(0, 160), random.randint(0, 60)))
                elif x < 0.14:
                    lines.append(":interrupt %d" % random.randint(1, 5))
                elif x < 0.25:
                    lines.append(":save-display " + out)
                else:
                    lines.append("".join(random.choices(keys, k=random.randint(1, 4))))
            lines += ["<Esc><Esc>", ":resize 80x24", ":save-display " + out]
            with self.subTest(seed=seed):
                self.script(lines, *files, "--compare", self.path("shop"), code=3)
                with open(out, encoding="utf-8") as f:
                    self.check_cells(f.read(), "80x24")

    def test_failed_assertion(self):
        err = self.script(["2", ":assert no such text"], self.path("shop"), code=1)
        self.assertIn("script line 2: not on the screen: no such text", err)
        self.assertIn("shop.audit.Record", err)
        err = self.script([":nonsense"], self.path("shop"), code=1)
        self.assertIn("no such command", err)

    def test_missing_file(self):
        err = self.script(["q"], "/nonexistent.pymem", code=1)
        self.assertIn("/nonexistent.pymem: No such file or directory", err)


if __name__ == "__main__":
    unittest.main()
