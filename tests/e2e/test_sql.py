# ctest: labels=e2e;ptrace;view cost=60
# SPDX-License-Identifier: MIT
"""pymem-view --sql: every question of pymem-sql(7) answered about a process that is known
inside out; what a query may not do; what is said of a wrong one."""
import csv
import io
import re
import resource
import signal

from harness import *

ENDLESS = "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
GEN = os.path.join(BUILD, "bin", "pymem-gen")
MAKE = os.path.join(BUILD, "bin", "make_snapshot")
MANUAL = os.path.join(ROOT, "viewer", "pymem-sql.7")

CODE = r'''
import threading, time, gc, weakref
class Session:
    def __init__(self, i):
        self.created = 1000.5 + i
        self.state = "open" if i % 4 else "closed"
        self.note = "note of session %05d" % i
class Worker:
    pass
CACHE = {}
STORE = {"sessions": [], "cache": CACHE}
shared = ["both %d" % i for i in range(50)]
A = [["only a %d" % i] for i in range(300)] + [shared]
B = [shared]
ROWS = [{"color": str(i), "price": i + 0.5} if i % 3 else {"price": i + 0.5, "color": str(i)}
        for i in range(700)]                      # the same keys, in two orders
MIXED = [{1: str(i), "one": i} if i % 2 else {"one": i, 1: str(i)} for i in range(600)]
KLASSES = [type("Made", (), {}) for i in range(40)]
BIG = bytearray(300000)
def grow(n):
    for i in range(n):
        STORE["sessions"].append(Session(len(STORE["sessions"])))
for i in range(500):
    CACHE[i] = "cached text %d" % i
grow(100)
TEXTS = [("same text " * 3)[:-1] + chr(97 + i % 2) for i in range(400)]
def work():
    mine = [Worker() for i in range(250)]
    started.set()
    threading.Event().wait()
started = threading.Event()
threading.Thread(target=work, daemon=True, name="worker-1").start()
started.wait()
class Twin:
    pass
TWINS = [Twin(), Twin()]
TWINS[0].one, TWINS[0].two = "first", "second"
TWINS[1].__dict__ = TWINS[0].__dict__
SEEN = weakref.ref(TWINS[0])
gc.disable()
class Ring:
    pass
for i in range(20):
    r = Ring(); r.me = r
del r
ready(); serve()
'''


def cookbook():
    """{name: query} of the manual."""
    with open(MANUAL, encoding="utf-8") as f:
        text = f.read()
    found = re.findall(r'\.\\" test: (\w+)\n.*?\n\.Bd -literal\n(.*?)\.Ed\n', text, re.S)
    return {name: sql.replace("\\(aq", "'").replace("\\-", "-").replace("\\e", "\\")
            for name, sql in found}


class Answers(Case):
    def sql(self, files, query, *args, code=0, **kw):
        done = run_view("--no-sidecar", *files, "--sql", query, *args, **kw)
        self.stderr = done.stderr.decode()
        self.assertEqual(done.returncode, code, self.stderr)
        return done.stdout.decode()

    def rows(self, files, query, *args, **kw):
        answer = json.loads(self.sql(files, query, "--format", "json", *args, **kw))
        self.assertEqual(answer["total"], len(answer["rows"]))
        return answer["rows"]


class Cookbook(Answers):
    def take(self, python):
        """Three snapshots of a program that makes a hundred sessions between two."""
        files = [self.path("%s-%d" % (python.name, i)) for i in range(3)]
        with Target(python, CODE) as target:
            for i, file in enumerate(files):
                if i:
                    target.tell("grow(100)")
                done = run_load("-q", "-f", file, target.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
        return files

    def test_all(self):
        queries = cookbook()
        self.assertGreaterEqual(len(queries), 20)
        for python in some_interpreters(2):
            with self.subTest(python.name):
                files = self.take(python)
                several = "survived places growth".split()
                found = {name: self.rows(files if name in several else files[2:], query)
                         for name, query in queries.items()}
                self.check(found)
                self.once(files[1:])
                self.weak(files[2:])
                self.twins(files[2:])

    def once(self, files):
        """A list that grew, and what is in it: the gate counts that once."""
        rows = {row["path"]: row for row in self.rows(
            files, "SELECT path, total_diff, count_diff, within FROM growth WHERE snapshot = 1")}
        store, each = "__main__.STORE['sessions']", "__main__.STORE['sessions'][*]"
        self.assertEqual((rows[store]["within"], rows[each]["within"]), (None, store))
        self.assertGreater(rows[store]["total_diff"], rows[each]["total_diff"])
        for condition, code, said in (
                ('growth("__main__.STORE*") > %d' % rows[store]["total_diff"], 0, ""),
                ('growth("__main__.STORE*") >= %d' % rows[store]["total_diff"], 4, store + " grew"),
                ('growth("*[[]?]") >= %d' % rows[each]["total_diff"], 4, each + " grew"),
                ('growth_count("__main__.STORE*") = 100', 4, each + " grew by ")):
            done = run_view("--no-sidecar", *files, "--fail-if", condition)
            self.assertEqual(done.returncode, code, condition + done.stdout.decode())
            self.assertIn(said, done.stdout.decode())

    def weak(self, files):
        """What a weak reference leads to, and what it doesn't."""
        rows = self.rows(files, "SELECT r.kind, r.weak, r.label FROM ref r JOIN object o "
                         "ON o.address = r.target WHERE o.type = '__main__.Twin'")
        self.assertEqual([row["weak"] for row in rows if row["kind"] == "weak"], [True])
        self.assertEqual({row["weak"] for row in rows if row["kind"] != "weak"}, {False})

    def twins(self, files):
        """Two objects with one __dict__: each has its attributes, also where the values lie
        in the first object, as from 3.13 on."""
        one, two = [row["address"] for row in self.rows(
            files, "SELECT address FROM object WHERE type = '__main__.Twin'")]
        rows = self.rows(files, "SELECT object, name, value FROM attribute WHERE value IS NOT NULL "
                         "AND (object = %d OR object = %d)" % (one, two))
        self.assertEqual(sorted((row["object"], row["name"], row["value"]) for row in rows),
                         sorted((address, name, "'%s'" % value) for address in (one, two)
                                for name, value in (("one", "first"), ("two", "second"))))

    def check(self, found):
        for name, rows in found.items():
            self.assertTrue(rows, name)
        first = {name: rows[0] for name, rows in found.items()}
        retained = [row["retained"] for row in found["largest"]]
        self.assertEqual(retained, sorted(retained, reverse=True))
        self.assertEqual([r["created"] for r in found["oldest"]],
                         [str(1000.5 + i) for i in range(5)])
        self.assertIn("STORE['sessions'][0]", first["oldest"]["path"])
        self.assertTrue(all(row["value"].startswith("'cached text ") for row in found["cache"]))
        rows = {row["names"].replace("'", ""): row["dicts"] for row in found["keys"]}
        self.assertEqual((rows.get("color price"), rows.get("one 1")), (700, 600), rows)
        worker = [row for row in found["thread"] if row["type"] == "__main__.Worker"]
        self.assertEqual([(row["name"], row["count"]) for row in worker], [("worker-1", 250)])
        self.assertGreaterEqual(
            [row["count"] for row in found["without"] if row["type"] == "builtins.list"][0], 300)
        total = {row["type"]: row["count"] for row in found["without"]}
        self.assertEqual(total["builtins.str"], 300)      # not the fifty that B has, too
        self.assertEqual({row["type"]: row["count"] for row in found["survived"]}
                         ["__main__.Session"], 100)
        grown = [r for r in found["places"] if "sessions" in r["path"]]
        self.assertIn((100, 300), [(row["least"], row["most"]) for row in grown])
        self.assertIn(100, [r["count_diff"] for r in found["growth"] if "sessions" in r["path"]])
        self.assertEqual(found["steps"][-1]["type"], "__main__.Session")
        self.assertIn("builtins.list", [row["type"] for row in found["referrers"]])
        self.assertEqual(first["holders"], dict(first["holders"], root="module __main__",
                                                count=300))
        self.assertEqual({row["state"]: row["count"] for row in found["states"]},
                         {"'open'": 225, "'closed'": 75})
        self.assertIn(("__main__.Made", 40),
                      [(row["name"], row["classes"]) for row in found["classes"]])
        self.assertIn("mine", [row["name"] for row in found["locals"]])
        self.assertIn(("__main__.Ring", 20),
                      [(row["type"], row["count"]) for row in found["garbage"]])
        self.assertEqual({row["value"]: row["count"] for row in found["strings"]}
                         ["'%sa'" % ("same text " * 3)[:-1]], 200)
        self.assertIn("builtins.dict", [row["type"] for row in found["slack"]])
        self.assertIn("__main__", [row["module"] for row in found["bases"]])
        self.assertIn("__main__", [row["package"] for row in found["packages"]])
        self.assertIn("builtins.str", [row["type"] for row in found["types"]])
        self.assertGreater(first["retainer"]["count"], 300)   # sessions, not the cache's texts


class Rules(Answers):
    def setUp(self):
        super().setUp()
        self.shop, self.hostile, self.cut = (self.path(k) for k in ("shop", "hostile", "cut"))
        for kind in ("shop", "hostile", "cut"):
            subprocess.run([MAKE, kind, self.path(kind)], check=True, timeout=30)

    def test_refused(self):
        for query in ("ATTACH 'x' AS y", "PRAGMA temp_store_directory='/'", "DELETE FROM object",
                      "CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "VACUUM INTO 'x'", "BEGIN",
                      "SELECT load_extension('x')", "SELECT * FROM pragma_database_list",
                      "CREATE VIRTUAL TABLE t USING object", "DROP VIEW growth",
                      "INSERT INTO object(address) VALUES (1)", "UPDATE object SET size = 1",
                      "REINDEX", "SELECT fts3_tokenizer('simple')"):
            self.sql([self.shop], query, code=2, cwd=self.tmp)
            self.assertEqual(self.stderr.count("\n"), 1, self.stderr)
        self.assertEqual(sorted(os.listdir(self.tmp)), ["cut", "hostile", "shop"])

    def test_wrong(self):
        self.sql([self.shop], "SELECT type, frob FROM object", code=2)
        self.assertIn("no such column: frob, at column 14", self.stderr)
        self.sql([self.shop], "SELECT 1;\nSELECT *\nFORM x", code=2)
        self.assertIn("syntax error, at line 3, column 1", self.stderr)
        self.sql([self.shop], "SELECT 1; SELECT nope", code=2)
        self.assertIn("no such column: nope, at column 18", self.stderr)
        self.sql([self.shop], "SELECT 1; SELECT * FROM nope", code=2)
        self.assertIn("no such table: nope, at column 25", self.stderr)
        for nothing in "", " ", ";", "-- x", "/* ; */ ;":
            self.sql([self.shop], nothing, code=2)
            self.assertIn("no statement", self.stderr)
        self.sql([self.shop], "SELECT * FROM path", code=2)
        self.assertIn("needs an argument", self.stderr)

    def test_stopped(self):
        endless = "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) "
        self.sql([self.shop], endless + "SELECT max(x) FROM n", "--sql-timeout", 1, code=1)
        self.assertIn("longer than 1.0 s", self.stderr)
        self.sql([self.shop], endless + "SELECT x FROM n ORDER BY -x", "--sql-memory", "8M",
                 code=1)
        self.assertIn("--sql-memory", self.stderr)
        self.sql([self.shop], "SELECT length(zeroblob(1 << 30))", code=2)
        # what SQLite does in one call, nothing stops: so no call may take long
        self.sql([self.shop], "SELECT instr(zeroblob(8000000), zeroblob(4000000) || '1')", code=2)
        self.assertIn("too big", self.stderr)

    def test_interrupted(self):
        """Ctrl-C stops the query, not the shell."""
        for args in (["--sql", ENDLESS], ["--sql-shell"]):
            p = subprocess.Popen([VIEW, "--no-sidecar", *args, "--format", "csv", self.shop],
                                 cwd=self.tmp, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
            p.stdin.write(("%s;\nSELECT 'after';\n" % ENDLESS).encode())
            p.stdin.flush()
            self.assertEqual(p.stdout.readline() + p.stdout.readline(), b"x\n1\n")
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=60)
            self.assertEqual((p.returncode, err), (1, b"pymem-view: --sql: stopped\n"))
            self.assertEqual(out.endswith(b"after\n"), args == ["--sql-shell"])

    def test_forms(self):
        query = "SELECT address, type, size FROM object ORDER BY size DESC, address LIMIT 3"
        rows = self.rows([self.shop], query)
        text = self.sql([self.shop], query).splitlines()
        self.assertEqual(text[0].split(), ["address", "type", "size"])
        self.assertEqual([int(line.split()[0], 16) for line in text[1:]],
                         [row["address"] for row in rows])
        table = list(csv.DictReader(io.StringIO(self.sql([self.shop], query, "--format", "csv"))))
        self.assertEqual([int(row["size"]) for row in table], [row["size"] for row in rows])
        same = "SELECT 1 AS a, 2 AS a, NULL AS b, 0.5 AS c, 'x' || char(27) AS d"
        self.assertEqual(self.rows([self.shop], same),
                         [{"a": 1, "a_2": 2, "b": None, "c": 0.5, "d": "x\\x1b"}])
        self.mixed()
        self.assertIn("more than 2 rows", self.sql([self.shop], "SELECT * FROM ref",
                                                   "--limit", 2))

    def test_cut_cells(self):
        """A cell that is too long for people says so, and --all shows it whole."""
        for text in "a" * 70 + "b" * 30, "\u6f22" * 50, "x" + "\u6f22" * 35 + "y":
            query = "SELECT '%s' AS a, 'z' AS b" % text
            env = dict(os.environ, LC_ALL="C.UTF-8")
            line = self.sql([self.shop], query, env=env).splitlines()[1]
            shown, end = line.rsplit(None, 1)
            self.assertEqual(end, "z")
            self.assertLessEqual(sum(1 + (c > "\u3000") for c in shown), 60)
            head, tail = shown.split("\u2026")
            self.assertTrue(len(head) > 5 and text.startswith(head) and
                            len(tail) > 5 and text.endswith(tail), line)
            line = self.sql([self.shop], query, "--all", env=env).splitlines()[1]
            self.assertEqual(line.split(), [text, "z"])
        just = "c" * 60
        self.assertIn(just + "  z", self.sql([self.shop], "SELECT '%s' AS a, 'z' AS b" % just))
        line = self.sql([self.shop], "SELECT printf('%.*c', 9999, 'd') AS a, 'z' AS b", "--all")
        self.assertIn("d" * 9999 + "  z", line)

    def mixed(self):
        """Whatever else is in its column, a value is for programs what it is for SQLite."""
        big = 2**53 + 1
        for values, found in (
                ("1, 'b', 2.5, -3, NULL, '4', 0.1, 1e300, -9e999", [1, "b", 2.5, -3, None, "4",
                                                                    0.1, 1e300, None]),
                ("NULL, 7, 'x'", [None, 7, "x"]), ("1, 2.5, 3", [1, 2.5, 3]),
                ("%d, 0.5, %d" % (big, big), [big, 0.5, big]),
                ("0.5, %d" % big, [0.5, big]), ("1.0/3, '-'", [1 / 3, "-"])):
            query = " UNION ALL ".join("SELECT %s AS a" % value for value in values.split(", "))
            rows = self.rows([self.shop], query)
            self.assertEqual([row["a"] for row in rows], found)
            self.assertEqual([type(row["a"]) for row in rows if row["a"] != 3],
                             [type(value) for value in found if value != 3])
            table = csv.DictReader(io.StringIO(self.sql(
                [self.shop], "SELECT a, 0 AS b FROM (%s)" % query, "--format", "csv")))
            for row, value in zip(table, found):
                if isinstance(value, (int, float)):
                    self.assertEqual(type(value)(row["a"]), value)
        # the type that a table declares, and more rows than are printed at once
        rows = self.rows([self.shop], "SELECT address AS a FROM (SELECT address FROM object "
                         "LIMIT 1) UNION ALL SELECT 'x'")
        self.assertEqual([type(row["a"]) for row in rows], [int, str])
        rows = self.rows([self.shop], "WITH RECURSIVE n(a) AS (VALUES(1) UNION ALL SELECT a + 1 "
                         "FROM n WHERE a < 6000) SELECT iif(a % 5999, a, 'x') AS a FROM n")
        self.assertEqual([row["a"] for row in rows], [*range(1, 5999), "x", 6000])
        # a long text is whole, whatever becomes of its characters
        rows = self.rows([self.shop], "SELECT replace(hex(zeroblob(200000)), '0', char(1)) AS a")
        self.assertEqual(rows, [{"a": "\\x01" * 400000}])

    def test_plans_agree(self):
        """Whatever way rows are found, they are the rows of a full scan."""
        files = [self.shop, self.hostile]
        where = {"object": ["address = %d", "dominator = %d", "address >= %d", "address < %d"],
                 "ref": ["source = %d", "target = %d"], "attribute": ["object = %d"]}
        nodes = [row["address"] for row in self.rows(
            files, "SELECT DISTINCT address FROM object ORDER BY retained DESC LIMIT 12")]
        for table, conditions in where.items():
            for condition in conditions:
                for node in nodes:
                    fast = condition % node
                    column, rest = fast.split(" ", 1)
                    slow = "+%s %s" % (column, rest)     # + keeps SQLite from using a key
                    query = ("SELECT count(*) AS n, (SELECT count(*) FROM (SELECT * FROM %s "
                             "WHERE %s EXCEPT SELECT * FROM %s WHERE %s)) AS differ FROM %s "
                             "WHERE %s UNION ALL SELECT count(*), 0 FROM %s WHERE %s")
                    rows = self.rows(files, query % (table, fast, table, slow, table, fast,
                                                     table, slow))
                    self.assertEqual(rows[0]["n"], rows[1]["n"], fast)
                    self.assertEqual(rows[0]["differ"], 0, fast)
        for order in ("size", "retained", "retained_count", "address", "type"):
            for way in ("", " DESC"):
                rows = self.rows(files, "SELECT * FROM (SELECT %s AS v FROM object WHERE "
                                 "snapshot = 0 ORDER BY %s%s LIMIT 30)" % (order, order, way))
                slow = self.rows(files, "SELECT %s AS v FROM object WHERE snapshot = 0 "
                                 "ORDER BY +%s%s LIMIT 30" % (order, order, way))
                self.assertEqual(rows, slow, order + way)
                most = "SELECT %s AS v FROM object WHERE snapshot = 0 AND %s ORDER BY %s%s LIMIT 5"
                self.assertEqual(
                    self.rows(files, most % (order, "type = 'builtins.str'", order, way)),
                    self.rows(files, most % (order, "+type = 'builtins.str'", "+" + order, way)))
        grouped = "SELECT %s AS t, count(*) AS n, sum(size) AS s FROM object GROUP BY %s ORDER BY 1"
        self.assertEqual(self.rows(files, grouped % ("type", "type")),
                         self.rows(files, grouped % ("+type", "+type")))

    def differing(self, files, affinity, sources):
        """Those of (a column to sum up, FROM and WHERE) whose rows differ when what has % before
        it is read by SQLite alone.  (+ would do that too, but has no affinity.)"""
        self.assertTrue(sources)
        pairs = [(column, source.replace("%", ""),
                  re.sub(r"%([a-z.]+)", r"CAST(\1 AS %s)" % affinity,
                         source.replace("%size", "+size")))
                 for column, source in sources]
        query = ("SELECT (SELECT count(*) || ' ' || total(%s) FROM %s) AS fast, "
                 "(SELECT count(*) || ' ' || total(%s) FROM %s) AS slow")
        found = []
        for at in range(0, len(pairs), 200):
            part = pairs[at:at + 200]
            text = self.sql(files, "; ".join(query % (column, fast, column, slow)
                                             for column, fast, slow in part), "--format", "csv")
            rows = [line for line in text.splitlines() if line != "fast,slow"]
            self.assertEqual(len(rows), len(part))
            for row, (_, fast, _) in zip(rows, part):
                one, two = row.split(",")
                found += [] if one == two else [(fast, one, two)]
        return found

    def test_operands_agree(self):
        """A column that rows are found by is compared with whatever as SQLite compares."""
        files = [self.shop, self.hostile]
        nodes = [row["address"] for row in self.rows(
            files, "SELECT DISTINCT address FROM object ORDER BY retained DESC LIMIT 2")]
        number, other = nodes[0], nodes[-1]
        operands = [
            "%d" % number, "%d.0" % number, "%d.5" % number, "'%d'" % number, "'0%d'" % number,
            "' %d '" % number, "'%d.0'" % number, "'%d.25'" % number, "x'31'", "NULL", "''",
            "'abc'", "'%dx'" % number, "'%d' || char(0)" % number, "0", "-1", "-0.5", "0.5",
            "1e17", "1e18", "1e19", "1.8e19", "-1e19", "9e999", "-9e999", "9223372036854775807",
            "-9223372036854775808", "9223372036854775808.0", "-9223372036854775808.0",
            "'9223372036854775808'", "'-5'", "'1e3'", "'010'", "1", "1.0", "'1'", "'1.0'", "'01'",
            "0.25", "(SELECT avg(address) FROM object)", "(SELECT NULL)",
            "(SELECT max(name) FROM type)", "(SELECT %d.5)" % number, "CAST('%d' AS BLOB)" % number]
        columns = {"object": ["snapshot", "address", "dominator", "rowid"],
                   "ref": ["snapshot", "source", "target", "rowid"],
                   "attribute": ["snapshot", "object"], "type": ["snapshot"],
                   "root": ["snapshot"], "report_types": ["snapshot"]}
        pairs = [("rowid", "%s WHERE %%%s %s %s" % (table, column, compare, operand))
                 for table, names in columns.items() for column in names
                 for operand in operands for compare in ("=", "<", "<=", ">", ">=", "<>", "IS")
                 if compare in "=" or column == "address" or operand in operands[:3]]
        for low in operands:
            pairs += [("rowid", "object WHERE %%address BETWEEN %s AND %s" % (low, high))
                      for high in ("%d.5" % number, "1e18", "'x'", "NULL")]
            pairs += [("rowid", "object WHERE %%address IN (%s, %d)" % (low, other)),
                      ("rowid", "ref WHERE %%source = %d AND +target > %s" % (number, low)),
                      ("rowid", "object WHERE (%%address, size) > (%s, 60)" % low)]
        pairs += [("size", "(SELECT size FROM object WHERE (%%address, size) %s (%d, 60) "
                   "AND +snapshot = 0 ORDER BY %%size DESC LIMIT 5)" % (way, number))
                  for way in (">", "<", ">=", "<=")]
        pairs += [("size", "(SELECT size FROM object WHERE %%address %s %s AND snapshot = 0 "
                   "ORDER BY %%size DESC LIMIT 5)" % (way, operand))
                  for way in ("=", "<", ">=") for operand in operands]
        pairs += [("o.rowid", "object o JOIN (SELECT %s AS v) ON %%o.address %s v"
                   % (operand, way)) for operand in operands for way in ("=", ">", "<=")]
        self.assertEqual(self.differing(files, "NUMERIC", pairs), [])

    def test_texts_agree(self):
        """And so is a type's name; in another collation SQLite compares, and orders."""
        files = [self.shop, self.hostile]
        operands = ["'builtins.str'", "'BUILTINS.STR'", "'builtins.str '", "5", "5.5", "NULL",
                    "x'6275696c74696e732e737472'", "CAST('builtins.str' AS BLOB)", "''",
                    "'builtins.str' || char(0)", "(SELECT 'builtins.str')", "(SELECT 5)",
                    "(SELECT min(name) FROM type)", "(SELECT max(size) FROM object)"]
        pairs = [("rowid", "object WHERE %%type %s %s %s" % (compare, operand, collate))
                 for operand in operands for compare in ("=", "IS", "<", ">=")
                 for collate in ("", "COLLATE NOCASE", "COLLATE RTRIM", "COLLATE BINARY")]
        pairs += [("rowid", "object WHERE %%type COLLATE %s = %s" % (collate, operand))
                  for operand in operands for collate in ("NOCASE", "RTRIM", "BINARY")]
        pairs += [("rowid", "object WHERE %%type IN (%s, 'builtins.int')" % operand)
                  for operand in operands]
        pairs += [("size", "(SELECT size FROM object WHERE %%type = %s AND snapshot = 0 "
                   "ORDER BY %%size LIMIT 4)" % operand) for operand in operands]
        pairs += [("o.rowid", "object o JOIN (SELECT %s AS v) ON %%o.type = v %s"
                   % (operand, collate)) for operand in operands
                  for collate in ("", "COLLATE NOCASE")]
        self.assertEqual(self.differing(files, "TEXT", pairs), [])
        self.assertNotEqual(self.rows(files, "SELECT count(*) AS n FROM object WHERE type = "
                                      "'BUILTINS.STR' COLLATE NOCASE"), [{"n": 0}])
        for collate in ("NOCASE", "RTRIM", "BINARY"):
            for query in ("SELECT type AS t FROM object WHERE snapshot = 0 ORDER BY %stype "
                          "COLLATE {0} DESC, address LIMIT 50",
                          "SELECT min(type COLLATE {0}) AS t, count(*) AS n FROM object "
                          "GROUP BY %stype COLLATE {0} ORDER BY 1, 2",
                          "SELECT DISTINCT %stype COLLATE {0} AS t FROM object ORDER BY 1"):
                query = query.format(collate)
                self.assertEqual(self.rows(files, query % ""), self.rows(files, query % "+"))

    def test_indexes_agree(self):
        """What follows from a path, from a type and from a target, of a heap with a list of
        thousands of links; asked twice, that the second has indexes that the first made."""
        heap = self.path("heap")
        subprocess.run([GEN, "-n", "60k", "-o", heap], check=True, timeout=300,
                       stderr=subprocess.DEVNULL)
        agree = (
            # a parent is a step nearer to the root, and begins and is held alike
            ("SELECT count(*) FROM object o JOIN object p ON p.address = o.parent WHERE "
             "o.depth <> p.depth + 1 OR o.root <> p.root OR o.module IS NOT p.module", "0"),
            ("SELECT count(*) FROM object o JOIN object d ON d.address = o.dominator WHERE "
             "o.thread IS NOT d.thread", "0"),
            ("SELECT count(*) FROM object o JOIN ref r ON r.target = o.address",
             "(SELECT count(*) FROM ref)"),
            ("SELECT sum(n * n) FROM (SELECT count(*) AS n FROM object GROUP BY type)",
             "(SELECT sum(n * n) FROM (SELECT count(*) AS n FROM object GROUP BY +type))"),
            # each step's own path is the path's beginning, cut alike where it is long
            ("SELECT count(*) FROM path((SELECT address FROM object ORDER BY depth DESC LIMIT 1)) "
             "p JOIN object o ON o.address = p.address WHERE p.step % 40 = 0 AND "
             "o.path IS NOT p.path", "0"),
            ("SELECT count(*) FROM type t JOIN object o ON o.type = t.name",
             "(SELECT count(*) FROM object)"))
        queries = ["SELECT (%s) = %s AS same" % pair for pair in agree]
        text = self.sql([heap], "SELECT max(depth) > 1000 AS same FROM object; " +
                        "; ".join(2 * queries))
        self.assertEqual(text.split(), ["same", "1"] * (2 * len(queries) + 1))

    def test_reachable_from_all_roots(self):
        """All objects, once each; and without one retainer not what it alone keeps."""
        rows = self.rows([self.shop], "SELECT count(address) AS n, count(DISTINCT address) AS d, "
                         "(SELECT count(*) FROM object) AS all_of_them FROM reachable(0)")
        self.assertEqual(len(set(rows[0].values())), 1, rows)
        rows = self.rows([self.shop], """WITH x AS (SELECT address AS a, retained_count AS n FROM
            object ORDER BY retained_count DESC LIMIT 1) SELECT n, (SELECT count(*) FROM object) -
            (SELECT count(address) FROM reachable(0, (SELECT a FROM x))) AS gone,
            (SELECT count(*) FROM retained_set((SELECT a FROM x))) AS kept FROM x""")
        self.assertEqual(len(set(rows[0].values())), 1, rows)

    def test_hostile(self):
        text = self.sql([self.hostile], "SELECT type, value, path FROM object", "--all")
        self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]")

    def test_cut(self):
        text = self.sql([self.cut], "SELECT count(*) AS n FROM object", code=3)
        self.assertTrue(text.startswith("INCOMPLETE: "), text)
        answer = json.loads(self.sql([self.cut], "SELECT 1", "--format", "json", code=3))
        self.assertFalse(answer["complete"])

    def test_shell(self):
        done = subprocess.run(
            [VIEW, "--no-sidecar", "--sql-shell", self.shop], timeout=300, cwd=self.tmp,
            input=b"SELECT 40\n + 2 AS a;\nSELECT nope;\n.tables\nSELECT 7 AS last",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out = done.stdout.decode()
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such column: nope", done.stderr.decode())
        self.assertEqual([line.strip() for line in out.splitlines()[:2]], ["a", "42"])
        self.assertIn("retained_set", out)
        self.assertTrue(out.endswith("   7\n"), out)

    def test_screen(self):
        script, wrong = self.path("script"), self.path("wrong")
        with open(script, "w") as f:
            f.write(":sql SELECT address, type FROM object ORDER BY retained DESC LIMIT 3\n"
                    ":assert 1 of 3\n:assert builtins.module\n<Enter>\n"
                    ":assert Keeps alive, nothing else does\n:sql SELECT frob\n"
                    ":assert no such column: frob, at column 8\n:sql CREATE TABLE t(a)\n"
                    ":assert a query may only read\n:sql SELECT 1 AS a; SELECT 2\n"
                    ":assert only the first statement was run\n:sql SELECT 1 AS a; -- x\n"
                    ":assert-not only the first\n:sql -- x\n:assert there is no statement\n")
        done = run_view("--no-sidecar", "--script", script, self.shop)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        with open(wrong, "w") as f:
            f.write(":sql\n")
        done = run_view("--no-sidecar", "--script", wrong, self.shop)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"sql needs a query", done.stderr)

    def test_documented(self):
        """Every table and column is in the manual, and nothing else."""
        with open(MANUAL, encoding="utf-8") as f:
            manual = f.read()
        done = subprocess.run([VIEW, "--no-sidecar", "--sql-shell", self.shop], timeout=300,
                              input=b".tables\n", stdout=subprocess.PIPE)
        lines = done.stdout.decode().splitlines()
        for name, columns in zip(lines[::2], lines[1::2]):
            name = name.split()[0]
            if name.startswith("report_") or name in ("suspect", "growth"):
                continue
            columns = columns.strip()
            if ", step, label" in columns:
                self.assertIn(".It Li %s(address" % name, manual)
            elif name == "same_path":
                self.assertIn(".Pq Va " + columns.replace(", ", " , "), manual)
            else:
                self.assertIn(".It Li %s\n.Pq Va %s\n" % (name, columns), manual)


class Gate(Answers):
    def setUp(self):
        super().setUp()
        self.shop, self.later, self.cut = (self.path(k) for k in ("shop", "later", "cut"))
        for kind in ("shop", "later", "cut"):
            subprocess.run([MAKE, kind, self.path(kind)], check=True, timeout=30)

    def judge(self, *conditions, code, format="text", compare=True):
        args = ["--compare", self.shop] if compare else []
        for condition in conditions:
            args += ["--fail-if", condition]
        done = run_view("--no-sidecar", self.later, "--format", format, *args)
        self.stderr = done.stderr.decode()
        self.assertEqual(done.returncode, code, self.stderr)
        return done.stdout.decode()

    def test_growth(self):
        grown = 'growth("shop.cache.*") > 1KB'
        out = self.judge(grown, 'growth("nowhere.*") > 1KB', code=4).splitlines()
        self.assertRegex(out[0], r"^FAILED: .*: shop\.cache\.STORE\['sessions'\]\[\*\] grew by "
                                 r"11\.\d+ KiB \(\+30 shop\.models\.Session\)$")
        self.assertEqual(out[1], 'passed: growth("nowhere.*") > 1KB')
        self.judge('growth("*") > 1MiB', "growth_count('*') > 1e6", code=0)
        self.judge(grown, code=2, compare=False)
        self.assertIn("--compare", self.stderr)

    def test_sql(self):
        out = self.judge("SELECT name FROM type WHERE name LIKE '%Session'", code=4)
        self.assertIn("name shop.models.Session", out)
        self.judge("(SELECT max(size) FROM object) > 1GB", code=0)
        self.judge("SELECT 1 WHERE 0", code=0)
        for wrong in ("", "growth(", "nonsense > 1", "DROP TABLE object"):
            self.judge(wrong, code=2)
        for condition in ("1 > frob", "SELECT frob", "1 < 2MB and frob",   # where it is in
                          "'it''s' = \"it's\" or 3GiB > frob"):     # what was given
            self.assertIn("frob, at column %d" % (condition.index("frob") + 1),
                          self.said(condition))
        for condition in ("1 < 2MB and", "1)", " "):
            self.assertIn("it is no whole condition", self.said(condition))
        self.judge("SELECT (0) AS a", code=4)             # it has a row
        self.assertIn("name x", self.judge("/* ; */ -- ;\n SELECT 'x' AS name", code=4))

    def test_one_statement(self):
        """What follows the first statement isn't passed over in silence."""
        for more in ("SELECT 1 WHERE 0; SELECT 1", "SELECT 1 WHERE 0;; frob", "1 > 2); SELECT (1",
                     "SELECT 1; SELECT 2"):
            self.assertIn("more than one statement", self.said(more))
        for one in ("SELECT 1 WHERE 0;", "SELECT 1 WHERE 0 ; -- SELECT 1\n /* SELECT 1 */;"):
            self.judge(one, code=0)

    def said(self, condition):
        done = run_view("--no-sidecar", self.path("shop"), "--fail-if", condition)
        self.assertEqual(done.returncode, 2)
        return done.stderr.decode()

    def test_junit(self):
        from xml.etree import ElementTree
        suite = ElementTree.fromstring(self.judge('growth("*") > 1KB', "1 > 2 OR '<\x01' = ''",
                                                  "frob", code=2, format="junit"))
        self.assertEqual([suite.get(key) for key in ("tests", "failures", "errors")],
                         ["3", "1", "1"])
        cases = list(suite)
        self.assertIn("grew by", cases[0][0].get("message"))
        self.assertEqual(cases[1].get("name"), "1 > 2 OR '<\\x01' = ''")
        self.assertEqual((len(cases[1]), cases[2][0].tag), (0, "error"))

    def test_truncated(self):
        """Who reads only what passed is told that not all was looked at."""
        for format, said in (("text", "passed as far as the snapshot goes (truncated"),
                             ("junit", "<system-out>as far as the snapshot goes")):
            done = run_view("--no-sidecar", self.cut, "--format", format, "--fail-if", "1 > 2")
            self.assertEqual(done.returncode, 3, done.stderr.decode())
            self.assertIn(said, done.stdout.decode())

    def test_sqlite(self):
        import sqlite3
        out = self.path("out.db")
        done = run_view("--no-sidecar", self.later, "--compare", self.shop, "--export", "sqlite",
                        "-o", out)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        db = sqlite3.connect(out)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (2,))
        self.contract(db, [self.later, "--compare", self.shop])
        for table in "object type ref root module fact suspect growth dominator".split():
            query = "SELECT count(*) AS n FROM " + table
            self.assertEqual(db.execute(query).fetchone()[0],
                             self.rows([self.later, "--compare", self.shop], query)[0]["n"], table)
        query = "SELECT address, size, dominator, value FROM object ORDER BY 2 DESC, 1 LIMIT 20"
        self.assertEqual([list(row) for row in db.execute(query)],
                         [list(row.values()) for row in
                          self.rows([self.later, "--compare", self.shop], query)])
        db.close()
        done = run_view("--no-sidecar", self.shop, "--export", "sqlite", "-o", "/dev/full")
        self.assertEqual(done.returncode, 1)
        done = run_view("--no-sidecar", self.cut, "--export", "sqlite", "-o", out)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(sorted(os.listdir(self.tmp)), ["cut", "later", "out.db", "shop"])

    def contract(self, db, files):
        """The file's tables have the columns that a query sees, their values and types."""
        left_out = {"object": {"root", "path"}, "ref": {"label"}}
        tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type IN "
                                               "('table', 'view')")]
        self.assertEqual(len(tables), 17)
        for table in tables:
            live = json.loads(self.sql(files, "SELECT * FROM %s" % table, "--format", "json"))
            rows = db.execute('SELECT * FROM "%s"' % table)
            names = [column[0] for column in rows.description]
            rows = [dict(zip(names, row)) for row in rows]
            self.assertEqual(len(rows), live["total"])
            if not rows:
                continue
            kept = [name for name in live["rows"][0] if name not in left_out.get(table, ())]
            self.assertEqual(names, kept, table)
            key = lambda row: [str(row[name]) for name in kept]
            live = [{name: int(row[name]) if isinstance(row[name], bool) else row[name]
                     for name in kept} for row in live["rows"]]
            for one, two in zip(sorted(rows, key=key), sorted(live, key=key)):
                for name in kept:
                    self.assertEqual(type(one[name]), type(two[name]), (table, name))
                    if not isinstance(one[name], float):
                        self.assertEqual(one[name], two[name], (table, name))

    def test_sqlite_of_two_processes(self):
        """What a large snapshot's second process writes is what one writes."""
        import sqlite3
        cpus = os.sched_getaffinity(0)
        if len(cpus) < 2:
            self.skipTest("one processor")
        large, full = self.path("large"), self.path("full")
        self.addCleanup(os.unlink, large)
        self.assertEqual(run([GEN, "-n", "55k", "-o", large]).returncode, 0)
        found = []
        for number in (1, 2):
            out = self.path("%d.db" % number)
            self.addCleanup(os.unlink, out)
            done = run_view("--no-sidecar", large, "--export", "sqlite", "-o", out,
                            preexec_fn=lambda: os.sched_setaffinity(0, list(cpus)[:number]))
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            db = sqlite3.connect(out)
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            found.append([db.execute("SELECT * FROM " + table).fetchall()
                          for table in ("object", "ref", "type", "root", "sqlite_schema")])
            db.close()
        self.assertGreater(len(found[0][1]), 60000)
        for one, two in zip(found[0][:-1], found[1][:-1]):
            self.assertEqual(one, two)
        # each write fails, of the one and of the other
        for limit in (1 << 16, 2 << 20, 5 << 20):
            done = run_view("--no-sidecar", large, "--export", "sqlite", "-o", full,
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                  (limit, limit)))
            self.assertNotEqual(done.returncode, 0)
        self.assertEqual(sorted(os.listdir(self.tmp)),
                         ["1.db", "2.db", "cut", "large", "later", "shop"])


if __name__ == "__main__":
    main()
