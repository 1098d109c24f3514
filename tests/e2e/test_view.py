# ctest: labels=e2e cost=40
# SPDX-License-Identifier: MIT
"""pymem-view without a terminal: reports, formats, hostile and damaged input.

The expected texts lie in tests/reports; PYMEM_UPDATE_GOLDEN=1 writes them anew.
"""
import csv
import io
import re

from harness import *

MAKE = os.path.join(BUILD, "bin", "make_snapshot")
GOLDEN = os.path.join(ROOT, "tests", "reports")
UPDATE = os.environ.get("PYMEM_UPDATE_GOLDEN") == "1"
REPORTS = ("overview suspects inspections types packages modules objects dominators threads tasks "
           "duplicates waste budget native hidden sizes roots errors maps "
           "allocators").split()
PROMISED = {    # keys every reader may rely on
    "types": "type count size retained",
    "diff": "type count size count_diff size_diff",
    "suspects": "path type retained share",
    "dominators": "address type size retained count depth",
    "overview": "objects edges size references_counted references_explained rss",
}
# What may never reach a terminal or a document: controls, direction and invisible characters.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def read(path):
    with open(path, "rb") as f:
        return f.read()


class View(Case):
    def setUp(self):
        super().setUp()
        for kind in ("shop", "later", "other", "hostile", "cut"):
            subprocess.run([MAKE, kind, self.path(kind)], check=True, timeout=30)

    def view(self, *args, code=0, **kw):
        done = subprocess.run([VIEW, "--no-sidecar"] + [str(a) for a in args],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.tmp,
                              timeout=300, **({"stdin": subprocess.DEVNULL} if not kw else kw))
        self.assertEqual(done.returncode, code, done.stderr.decode("utf-8", "replace"))
        self.stderr = done.stderr.decode()
        return done.stdout.decode()

    def json(self, *args, **kw):
        return json.loads(self.view("--format", "json", *args, **kw))

    def rows(self, *args, **kw):
        return self.json(*args, **kw)["processes"][0]["rows"]

    def check_golden(self, name, text):
        path = os.path.join(GOLDEN, name)
        if UPDATE:
            os.makedirs(GOLDEN, exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        with open(path, encoding="utf-8") as f:
            self.assertEqual(text, f.read(), "differs from %s" % name)

    def test_unknown_options(self):
        """... are escaped, as they may be names of files."""
        for option, said in (("--re\x1b[31m", b"unknown option '--re\\x1b[31m', or"),
                             ("-\x1b", b"unknown option '-\\x1b'"),
                             ("--report", b"option '--report' needs an argument"),
                             ("--help=1", b"option '--help=1' takes no argument")):
            done = run_view(option)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)

    def test_text(self):
        for report in REPORTS:
            with self.subTest(report=report):
                self.check_golden(report + ".txt", self.view("--report", report, "shop"))
        for report in ("diff", "growth"):
            with self.subTest(report=report):
                self.check_golden(report + ".txt", self.view(
                    "--report", report, "--compare", "shop", "later"))
        self.check_golden("paths.txt", self.view(
            "--report", "paths", "--type", "Session", "--limit", 1, "shop"))
        self.check_golden("default.txt", self.view("--compare", "shop", "later"))

    def test_csv_and_json_agree(self):
        for report in REPORTS:
            with self.subTest(report=report):
                document = self.json("--report", report, "shop")
                self.assertEqual(document["schema"], 1)
                self.assertEqual(document["report"], report)
                process = document["processes"][0]
                self.assertEqual(sorted(set(("pid", "python", "complete", "rows")) -
                                        set(process)), [])
                table = list(csv.DictReader(io.StringIO(
                    self.view("--report", report, "--format", "csv", "shop"))))
                self.assertEqual(len(table), len(process["rows"]))
                for mine, row in zip(table, process["rows"]):
                    self.assertEqual(list(mine)[1:], list(row))
                    for key, value in row.items():
                        if isinstance(value, int) and not isinstance(value, bool):
                            self.assertEqual(int(mine[key]), value)
                        elif isinstance(value, str):
                            self.assertEqual(mine[key].lstrip("'"), value.lstrip("'"))

    def test_promised_keys(self):
        for report, keys in PROMISED.items():
            for row in self.rows("--report", report, "--compare", "shop", "later"):
                self.assertLessEqual(set(keys.split()), set(row), report)

    def test_diff_has_true_signs(self):
        rows = {r["type"]: r for r in self.rows("--report", "diff", "--compare", "shop", "later")}
        self.assertEqual(rows["shop.models.Session"]["count_diff"], 30)
        self.assertGreater(rows["shop.models.Session"]["size_diff"], 0)
        back = {r["type"]: r for r in self.rows("--report", "diff", "--compare", "later", "shop")}
        for name, row in rows.items():
            self.assertEqual(row["count_diff"], -back[name]["count_diff"])
            self.assertEqual(row["size_diff"], -back[name]["size_diff"])
        self.assertIn("+30", self.view("--report", "diff", "--compare", "shop", "later"))

    def test_growth_names_the_place(self):
        rows = self.rows("--report", "growth", "--compare", "shop", "later")
        grown = [r for r in rows if r["type"] == "shop.models.Session"]
        self.assertEqual([r["count_diff"] for r in grown], [30])
        self.assertEqual(self.rows("--report", "growth", "--compare", "shop", "shop"), [])

    def test_sort_filter_limit(self):
        rows = self.rows("--report", "types", "--sort", "count", "shop")
        self.assertEqual([r["count"] for r in rows],
                         sorted((r["count"] for r in rows), reverse=True))
        rows = self.rows("--report", "types", "--sort", "-type", "shop")
        self.assertEqual([r["type"] for r in rows],
                         sorted((r["type"] for r in rows), reverse=True))
        rows = self.rows("--report", "types", "--filter", "SESSION", "shop")
        self.assertEqual([r["type"] for r in rows], ["shop.models.Session"])
        everything = self.rows("--report", "objects", "--all", "shop")
        some = self.rows("--report", "objects", "--limit", 3, "shop")
        self.assertEqual(everything[:3], some)
        for key in ("size", "refcount", "count", "surplus", "retained"):
            rows = self.rows("--report", "objects", "--sort", key, "--limit", 5, "shop")
            values = sorted((r[key] or 0 for r in everything), reverse=True)
            self.assertEqual([r[key] or 0 for r in rows], values[:5], key)
        rows = self.rows("--report", "objects", "--type", "Session", "shop")
        self.assertEqual({r["type"] for r in rows}, {"shop.models.Session"})

    def test_one_object(self):
        row = self.rows("--report", "objects", "--type", "Session", "--limit", 1, "shop")[0]
        address = row["address"]
        for given in (address, hex(address)):
            self.assertEqual(self.rows("--report", "objects", "--object", given, "shop"), [row])
        path = self.rows("--report", "paths", "--object", address, "shop")
        self.assertEqual(path[-1]["path"], row["path"])
        self.assertEqual([r["step"] for r in path], list(range(len(path))))
        holder = path[-2]["address"]
        self.assertIn(holder, [r["address"] for r in self.rows(
            "--report", "referrers", "--object", address, "shop")])
        self.assertIn(address, [r["address"] for r in self.rows(
            "--report", "referents", "--object", holder, "--all", "shop")])

    def test_budget_closes(self):
        total = self.rows("--report", "overview", "shop")[0]["rss"]
        rows = self.rows("--report", "budget", "shop")
        self.assertEqual(sum(r["size"] for r in rows), total)

    def test_hostile_names(self):
        for report in REPORTS:
            for form in ("text", "json", "csv"):
                with self.subTest(report=report, format=form):
                    out = self.view("--report", report, "--format", form, "hostile")
                    self.assertIsNone(FORBIDDEN.search(out))
        text = self.view("--report", "types", "--format", "json", "hostile")
        self.assertTrue(text.isascii())
        self.assertIn("\\\\x1b[2J", text)

    def test_csv_formulas(self):
        for cell in csv.reader(io.StringIO(self.view(
                "--report", "objects", "--all", "--format", "csv", "hostile"))):
            for text in cell:
                if text[:1] in "=+@":
                    self.assertEqual(text[:1], "", text)

    def test_truncated(self):
        out = self.view("--report", "types", "cut", code=3)
        self.assertIn("INCOMPLETE", out)
        self.assertIn("INCOMPLETE", self.stderr)
        self.assertFalse(self.json("--report", "types", "cut", code=3)
                         ["processes"][0]["complete"])
        whole = read(self.path("shop"))
        for size in list(range(0, len(whole), max(1, len(whole) // 40))):
            with open(self.path("part"), "wb") as f:
                f.write(whole[:size])
            done = run([VIEW, "--no-sidecar", "--report", "suspects", self.path("part")])
            self.assertIn(done.returncode, (1, 3), size)
            self.assertTrue(done.stderr)
            self.assertIsNone(FORBIDDEN.search(done.stdout.decode()))

    def test_damaged(self):
        whole = bytearray(read(self.path("shop")))
        for at in range(0, len(whole), max(1, len(whole) // 60)):
            whole[at] ^= 0x55
            with open(self.path("bad"), "wb") as f:
                f.write(whole)
            whole[at] ^= 0x55
            done = run([VIEW, "--no-sidecar", "--report", "overview", self.path("bad")])
            self.assertIn(done.returncode, (0, 1, 3), at)

    def test_several_processes(self):
        with open(self.path("both"), "wb") as f:
            for name in ("shop", "other"):
                f.write(read(self.path(name)))
        document = self.json("--report", "overview", "both")
        self.assertEqual(len(document["processes"]), 2)
        self.assertEqual(document["processes"][1]["pid"], 77)
        with open(self.path("both"), "rb") as f:
            piped = self.json("--report", "overview", "-", stdin=f)
        self.assertEqual([p["rows"] for p in piped["processes"]],
                         [p["rows"] for p in document["processes"]])
        # pids pair; the one without a partner is compared with nothing
        diff = self.json("--report", "diff", "--compare", "other", "both")
        self.assertNotIn("compared_with", diff["processes"][0])
        self.assertEqual(diff["processes"][1]["compared_with"], 77)
        # none pairs: first with first
        diff = self.json("--report", "diff", "--compare", "other", "shop")
        self.assertEqual(diff["processes"][0]["compared_with"], 77)

    def test_sidecar(self):
        quick = run([VIEW, "--report", "objects", self.path("shop")])
        self.assertEqual((quick.returncode, os.path.exists(self.path("shop.pmx"))), (0, False))
        first = run([VIEW, "--sidecar", "--report", "objects", "--format", "json",
                     self.path("shop")])
        self.assertEqual(os.stat(self.path("shop.pmx")).st_mode & 0o777, 0o600)
        again = run([VIEW, "--report", "objects", "--format", "json", self.path("shop")])
        self.assertEqual(first.stdout, again.stdout)
        for report in REPORTS:
            self.assertEqual(
                run([VIEW, "--report", report, self.path("shop")]).stdout,
                run([VIEW, "--no-sidecar", "--report", report, self.path("shop")]).stdout)
        shutil.copy(self.path("later"), self.path("shop"))
        changed = run([VIEW, "--report", "types", "--format", "json", self.path("shop")])
        count = {r["type"]: r["count"] for r in
                 json.loads(changed.stdout.decode())["processes"][0]["rows"]}
        self.assertEqual(count["shop.models.Session"], 90)
        os.chmod(self.tmp, 0o500)
        self.assertEqual(run([VIEW, "--report", "types", self.path("other")]).returncode, 0)
        os.chmod(self.tmp, 0o700)

    def test_export(self):
        self.view("--export", "jsonl", "-o", "out", "shop")
        lines = [json.loads(x) for x in read(self.path("out")).decode().splitlines()]
        objects = [x for x in lines if "address" in x]
        self.assertEqual(len(objects), self.rows("--report", "overview", "shop")[0]["objects"])
        self.assertEqual(os.stat(self.path("out")).st_mode & 0o777, 0o600)

    def test_export_of_floats(self):
        """As Python prints them, each."""
        python = some_interpreters(1)[0]
        code = ("import random\nKEPT = [10.0 ** n for n in range(-6, 20)] + [20.0, 0.1, -0.0, "
                "1e300, 123456789012345.0, 0.1 + 0.2, 5e-324, 25270595453107684.0] + [2.0 ** n "
                "for n in range(-1074, 1024)] + [random.random() for i in range(500)]\n"
                "ready(); serve()\n")
        with Target(python, code) as target:
            done = run_load("-q", "-f", self.path("floats"), target.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.view("--export", "jsonl", "-o", "out", "floats")
        texts = re.findall(r'"value":([^,"]+),"value_kind":"float"',
                           read(self.path("out")).decode())
        self.assertGreater(len(texts), 500)
        self.assertEqual([t for t in texts if t != repr(float(t))], [])
        some = {"20.0", "1000000000000000.0", "1e+16", "1e-05", "5e-324",
                "0.30000000000000004"}
        self.assertLessEqual(some, set(texts))
        answer = self.view("--sql", "SELECT DISTINCT value FROM object WHERE kind = 'float'",
                           "--format", "json", "floats")
        shown = [row["value"] for row in json.loads(answer)["rows"]]
        self.assertEqual([t for t in shown if t != repr(float(t))], [])
        self.assertLessEqual(some, set(shown))

    def test_usage(self):
        for args in ((), ("--report", "nonsense", "shop"), ("--format", "xml", "shop"),
                     ("--nonsense",), ("--report", "diff", "shop"), ("--limit", "x", "shop"),
                     ("--report", "paths", "shop"), ("--graph", "refs", "shop"),
                     ("--report", "types", "--sort", "colour", "shop"),
                     ("--object", "abc", "shop"), ("--export", "jsonl", "shop"),
                     ("--export", "xml", "-o", "x", "shop")):
            with self.subTest(args=args):
                self.assertEqual(self.view(*args, code=2), "")
                self.assertTrue(self.stderr)
        self.assertIn("usage", self.view("--help"))
        self.assertRegex(self.view("--version"), r"^pymem-view \d")

    def test_failures(self):
        self.view("missing", code=1)
        self.assertIn("No such file", self.stderr)
        self.view(self.tmp, code=1)
        with open(self.path("noise"), "wb") as f:
            f.write(b"not a snapshot at all\n" * 100)
        self.view("noise", code=1)
        self.view("--report", "paths", "--object", "0x10", "shop", code=1)
        self.assertIn("no object", self.stderr)
        # one of several: the rest is shown
        self.assertIn("process", self.view("--report", "types", "shop", "missing", code=3))

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([VIEW, "--no-sidecar", "--report", "types", self.path("shop")],
                                  stdout=full, stderr=subprocess.PIPE, timeout=300)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)

    def test_export_shows_progress(self):
        """On a terminal, once it has taken a second: so the reader of the pipe waits one."""
        snapshot, pipe = self.path("big.pymem"), self.path("pipe")
        subprocess.run([os.path.join(BUILD, "bin", "pymem-gen"), "-n", "60k", "-o", snapshot],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.mkfifo(pipe)
        ours, theirs = os.openpty()
        child = subprocess.Popen([VIEW, "--no-sidecar", "--export", "jsonl", "-o", pipe, snapshot],
                                 stderr=theirs)
        with open(pipe, "rb") as reader:
            time.sleep(1.1)
            size = len(reader.read())
        self.assertEqual(child.wait(), 0)
        os.close(theirs)
        shown = read_terminal(ours)
        os.close(ours)
        self.assertGreater(size, 8 << 20)
        self.assertRegex(shown, rb"^\rexporting: [0-9.]+ MiB written")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)

    def test_progress_gives_way(self):
        """The line that says how far it is is gone before anything else is on the terminal.
        The snapshot's second half comes late, so that there is such a line."""
        snapshot = self.path("big.pymem")
        subprocess.run([os.path.join(BUILD, "bin", "pymem-gen"), "-n", "200k", "-o", snapshot],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(snapshot, "rb") as f:
            data = f.read()
        for args in (["--report", "types"], ["--sql", "SELECT count(*) FROM object"],
                     ["--fail-if", "SELECT 1"], ["--report", "types", "--type", "no.such"]):
            ours, theirs = os.openpty()
            child = subprocess.Popen([VIEW, "--no-sidecar", *args, "-"], stdin=subprocess.PIPE,
                                     stdout=theirs, stderr=theirs)
            os.close(theirs)
            try:
                with child.stdin as writer:
                    writer.write(data[:len(data) // 2])
                    time.sleep(1.1)
                    writer.write(data[len(data) // 2:])
            except BrokenPipeError:
                self.fail((args, read_terminal(ours)))
            shown = read_terminal(ours)
            child.wait()
            os.close(ours)
            after = re.findall(rb"\r[a-z ]+(?:: +\d+ %)?\x1b\[K(.)", shown, re.S)
            self.assertGreater(len(after), 0, (args, shown))
            self.assertEqual(set(after), {b"\r"}, (args, shown))


if __name__ == "__main__":
    main()
