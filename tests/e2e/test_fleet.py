# ctest: labels=e2e;ptrace cost=68
# SPDX-License-Identifier: MIT
"""What goes to one place from many processes: --summary, --profile, --merge, OpenMetrics,
--upload's standard input; and --leak-check, which compares a program with itself."""
import gzip
import re
import signal
import socket

from control_socket import until
from harness import *

LEAKY = r'''
import json
class Order:
    def __init__(self, i): self.number = i
KEPT = [Order(i) for i in range(1000)]
WORDS = {"".join(["key;", str(i)]): "\x1b[31m\udc80%d" % i for i in range(10)}
ready(); serve()
'''
SNAPSHOT = b"]*M\x18$\0\0\0\x89PYMEM\r\n\x1a\n"     # how one begins
MEMBERS = {"pymem_summary", "host", "pid", "command", "python", "time", "time_ns", "time_ms",
           "complete", "objects", "size", "held", "rss", "types", "suspects", "places",
           "budget", "packages"}

MARKS = r'''
import gc, os
KEPT = []
class Thing: pass
def mark(name):
    with open(os.environ["PYMEM_MARK"], "w") as f:
        f.write(name + "\n")
    with open(os.environ["PYMEM_MARK"] + ".done") as f:
        f.read()
for name in "clean", "leaky", "short":
    for i in range(2 if name == "short" else 4):
        things = [Thing() for _ in range(100)]
        if name == "leaky":
            KEPT.extend(things)
        del things
        gc.collect()
        mark(name)
print("the program's own words")
'''

# Two names in turn, a third now and then; a thousand characters tell the last two apart.
TURNS = r'''
import gc, os
KEPT, FIRST = [], []
class Thing: pass
class Once: pass
def mark(name):
    with open(os.environ["PYMEM_MARK"], "w") as f:
        f.write(name + "\n")
    with open(os.environ["PYMEM_MARK"] + ".done") as f:
        f.read()
for i in range(5):
    KEPT.extend(Thing() for _ in range(100))
    FIRST.extend(Once() for _ in range(100 if i == 0 else 0))
    gc.collect()
    mark("a")
    mark("b")
    if i % 3 == 0:
        mark("rare")
    if i < 3:
        mark("x" * 1000 + "12"[i % 2])
'''

# Signals while snapshots are being taken; lines all at once; the end before a snapshot.
FAST_SIGNALS = r'''
import os, signal, time
folder = os.path.dirname(os.environ["PYMEM_MARK"])
while sum(x.endswith(".pymem") for x in os.listdir(folder)) < 3:
    os.kill(os.getpid(), signal.SIGUSR2)
    time.sleep(0.002)
'''
FAST_LINES = r'''
import os
with open(os.environ["PYMEM_MARK"], "w") as f:
    f.write("x\nx\nx\ny\n" + "z\n" * 100)
for i in range(4):
    with open(os.environ["PYMEM_MARK"] + ".done") as f:
        f.read()
'''

CONFTEST = r'''
import gc, os
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):  # pymem-load --leak-check 4 -- python -m pytest
    names = pyfuncitem._fixtureinfo.argnames
    for _ in range(6 if "PYMEM_MARK" in os.environ else 0):  # two to warm up
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
        gc.collect()
        open(os.environ["PYMEM_MARK"], "w").write(pyfuncitem.nodeid + "\n")
        open(os.environ["PYMEM_MARK"] + ".done").read()
    yield
'''


class Summaries(Case):
    def summary(self, target, *args):
        done = run_load("-q", "--summary", *args, target.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_two_of_a_process(self):
        python = some_interpreters(1)[0]
        with Target(python, LEAKY) as target:
            first = self.summary(target)
            target.tell("KEPT += [Order(i) for i in range(5000)]")
            self.assertEqual(self.summary(target, "-f", self.path("b.summary")), b"")
            command = "%s %s" % (python.path, target.script)
            profile = run_load("-q", "--profile", "-f", self.path("p.pb.gz"), target.pid)
            self.assertEqual((profile.returncode, profile.stdout), (0, b""))
        with gzip.open(self.path("p.pb.gz")) as f:
            self.assertIn(b"<__main__.Order>", f.read())
        with open(self.path("b.summary"), "rb") as f:
            last = f.read()
        for text in first, last:
            self.assertEqual(text.count(b"\n"), 1)
            self.assertLess(len(text), 16384)
            text.decode("ascii")
        a, b = json.loads(first), json.loads(last)
        self.assertEqual(set(b), MEMBERS)
        self.assertEqual((b["pid"], b["host"], b["command"], b["complete"]),
                         (target.pid, socket.gethostname(), command, True))
        (place,) = [p for p in b["places"] if p["path"] == "__main__.KEPT[*]"]
        above = b["places"][place["in"]]
        self.assertEqual(above["path"], "__main__.KEPT")
        self.assertGreaterEqual(above["retained"], place["retained"])
        self.assertIn({"type": "__main__.Order", "count": 6000},
                      [{k: t[k] for k in ("type", "count")} for t in b["types"]])
        self.merge(first, a, b, command)
        self.metrics(b, command)
        self.assertEqual(glob.glob(self.path("*.pymem")), [])

    def merge(self, first, a, b, command):
        """The two and what a process of another host said, which is a liar besides."""
        other = [dict(s, host="h2", pid=7, places=s["places"] + [
                     {"path": "x\x1b[2J", "in": None, "count": -5, "retained": 2**62}])
                 for s in (a, b)]
        with open(self.path("a.summary"), "wb") as f:
            f.write(first + json.dumps(other[1]).encode() + b"\n" +
                    json.dumps(other[0]).encode() + b"\n")
        done = run_view("--merge", "--format", "json", self.path("b.summary"),
                        self.path("a.summary"))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        answer = json.loads(done.stdout)
        rows = {r["place"]: r for r in answer["rows"]}
        self.assertEqual(answer["report"], "merge")
        self.assertNotIn("__main__.KEPT", rows)  # what is below it grew no less
        row = rows["__main__.KEPT[*]"]
        self.assertEqual((row["command"], row["processes"], row["hosts"]), (command, 2, 2))
        path = row["place"]
        grown = [next(p["retained"] for p in s["places"] if p["path"] == path)
                 for s in (a, b)]
        self.assertEqual(row["growth"], 2 * (grown[1] - grown[0]))
        self.assertEqual(rows["(all)"]["growth"], 2 * (b["held"] - a["held"]))
        self.assertEqual(rows["(all)"]["processes"], 2)
        text = run_view("--merge", self.path("b.summary"), self.path("a.summary"))
        self.assertNotIn(b"\x1b", text.stdout)
        for wrong in b"", b"no JSON\n", b"{}\n", b'{"pymem_summary":9}\n', b"[" * 100000, SNAPSHOT:
            with open(self.path("wrong"), "wb") as f:
                f.write(wrong)
            done = run_view("--merge", self.path("b.summary"), self.path("wrong"))
            self.assertEqual(done.returncode, 3, wrong)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(b"it is a snapshot" in done.stderr, wrong == SNAPSHOT, done.stderr)
            done = run_view("--merge", self.path("wrong"))
            self.assertEqual((done.returncode, done.stdout), (1, b""), wrong)

    def test_or_more(self):
        """What a place held that was in no full list isn't known: it grew by that, or more."""
        def write(name, time, places, **more):
            with open(self.path(name), "w") as f:
                json.dump(dict({"pymem_summary": 1, "host": "h", "pid": 1, "command": "c",
                                "python": "3", "time_ns": time, "complete": True, "objects": 9,
                                "held": 99999, "places": places}, **more), f)
        def place(path, size):
            return {"path": path, "in": None, "count": 1, "retained": size}
        for count, grown, more in (32, 4000, True), (31, 5000, False), (0, 5000, False):
            write("a", 1, [place("app.p%d" % i, 1000 + i) for i in range(count)])
            write("b", 2, [place("app.NEW", 5000), place("app.p3", 1500)], complete=count > 0)
            done = run_view("--merge", "--format", "json", self.path("a"), self.path("b"))
            answer = json.loads(done.stdout)
            rows = {row["place"]: (row["growth"], row["growth_is_least"])
                    for row in answer["rows"]}
            self.assertEqual(rows, {"(all)": (0, False), "app.NEW": (grown, more),
                                    "app.p3": ((1500, False) if not count else (497, False))})
            self.assertEqual((done.returncode, answer["complete"]), (0, True) if count else
                             (3, False))
            text = run_view("--merge", self.path("a"), self.path("b"), "--limit", 1)
            self.assertRegex(text.stdout, b"NEW .* %s " % (b"yes" if more else b"no"))
            self.assertIn(b"\n1 of 3 rows: --limit N, --all\n", text.stdout)
            self.assertEqual(b"INCOMPLETE: 1 of 2 summaries" in text.stdout, not count)
            command = "/long/path" * 9 + "python x.py"
            for all, named in (([], b"/long/path/long/path\xe2\x80\xa6"),
                               (["--all"], command.encode())):
                write("c", 1, [place("app.p", 1000)], command=command)
                self.assertIn(named, run_view("--merge", self.path("c"), *all).stdout)
            text = run_view("--merge", "--format", "openmetrics", self.path("a"), self.path("b"))
            self.assertRegex(text.stdout, rb"pymem_complete\{.*\} %d\n" % (count > 0))

    def test_one_summary(self):
        """Nobody knows how a process grew of which there is one."""
        def write(name, pid, time, held):
            with open(self.path(name), "w") as f:
                json.dump({"pymem_summary": 1, "host": "h", "pid": pid, "command": "c",
                           "python": "3", "time_ns": time, "complete": True, "objects": 9,
                           "held": held, "places": []}, f)
        write("a", 1, 10 ** 9, 5000), write("b", 2, 10 ** 9, 7000), write("c", 2, 10 ** 10, 8000)
        for files, held, growth, most in ((["a"], 5000, None, None),
                                          (["a", "b", "c"], 13000, 1000, "h 2")):
            done = run_view("--merge", "--format", "json", *map(self.path, files))
            row, = json.loads(done.stdout)["rows"]
            self.assertEqual((row["held"], row["growth"], row["most_growth"], row["most"]),
                             (held, growth, growth, most))

    def metrics(self, summary, command):
        done = run_view("--merge", "--format", "openmetrics", self.path("b.summary"))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        lines = done.stdout.decode().splitlines()
        self.assertEqual(lines[-1], "# EOF")
        series, family, seen = {}, None, set()
        for line in lines[:-1]:
            if line.startswith("# TYPE "):
                family, kind = line.split()[2:]
                self.assertEqual(kind, "gauge")
                self.assertNotIn(family, seen)
                seen.add(family)
            elif not line.startswith("# HELP %s " % family):
                found = re.fullmatch(
                    r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\]|\\["\\n])*",?)+)\} (\d+)', line)
                self.assertEqual(found[1], family)
                self.assertNotIn((found[1], found[2]), series)
                series[found[1], found[2]] = int(found[3])
        labels = 'host="%s",command="%s",python="%s",pid="%d"' % (
            socket.gethostname(), command, summary["python"], summary["pid"])
        self.assertEqual(series["pymem_objects", labels], summary["objects"])
        self.assertEqual(series["pymem_type_objects", labels + ',type="__main__.Order"'],
                         6000)

    def test_metrics_of_a_snapshot(self):
        with Target(some_interpreters(1)[0], "ready(); serve()") as target:
            run_load("-q", "-f", self.path("a"), target.pid)
        done = run_view("--no-sidecar", "--format", "openmetrics", self.path("a"))
        self.assertEqual(done.returncode, 0, done.stderr)
        run_view("--no-sidecar", "--export", "openmetrics", "-o", self.path("a.prom"),
                 self.path("a"))
        with open(self.path("a.prom"), "rb") as f:
            self.assertEqual(f.read(), done.stdout)
        self.assertIn(b"pymem_resident_bytes{", done.stdout)

    def test_uploads(self):
        """Every finished file, on standard input; its path, unless that is enough."""
        with Target(some_interpreters(1)[0], "ready(); serve()") as target:
            got, name = self.path("got"), self.path("x.summary")
            for upload, path in (("cat - >" + got, b""), ("{ cat; echo $1; } >" + got,
                                                         name.encode() + b"\n"),
                                 ("cp -t " + self.path("copies"), None)):
                os.makedirs(self.path("copies"), exist_ok=True)
                done = run_load("-q", "--summary", "-f", name, "--upload", upload, target.pid)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                with open(name, "rb") as f:
                    made = f.read()
                with open(got if path is not None else
                          self.path("copies/x.summary"), "rb") as f:
                    self.assertEqual(f.read(), made + (path or b""))
            done = run_load("-q", "-f", self.path("y"), "--upload", "cat - | wc -c >%s; exit 9"
                            % self.path("size"), target.pid)
            self.assertIn(b"status 9", done.stderr)
            self.assertEqual(done.returncode, 3)
            for how in "kill -9 $$; :", "sh -c 'kill -9 $$'; exit $?":
                done = run_load("-q", "-f", self.path("z"), "--upload", "cat - >&2; " + how,
                                target.pid)
                self.assertIn(b"the upload command was killed by signal 9 (Killed)", done.stderr)
                self.assertEqual(done.returncode, 3)
            with open(self.path("size")) as f:
                self.assertEqual(int(f.read()), os.path.getsize(self.path("y")))

    def test_nothing_to_upload(self):
        """Of what goes to standard output, or to a pipe, there is no file to give on."""
        python = some_interpreters(1)[0]
        with Target(python, "ready(); serve()") as target:
            for output in ["--summary"], ["-f", "-"], ["--profile", "-f", "-"]:
                done = run_load(*output, "--upload", "touch " + self.path("up"), target.pid)
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertIn(b"name one with -f FILE", done.stderr)
                done = run_load("-q", *output, "--upload", "false", "--no-upload", target.pid)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
        os.mkfifo(self.path("pipe"))
        end = os.open(self.path("pipe"), os.O_RDWR)
        with Target(python, "ready(); serve()") as target:
            done = run_load("-q", "--summary", "-f", self.path("pipe"), "--upload",
                            "touch " + self.path("up"), target.pid)
        os.close(end)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"pipe: it is no file that could be read again", done.stderr)
        self.assertFalse(os.path.exists(self.path("up")))

        self.command("--upload", "kill -9 $$; :", "--", python.path, "-c", ARMED, code=3)

    def command(self, *args, code=0, **env):
        done = subprocess.run([LOAD, *map(str, args)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.path("."),
                              env=dict(os.environ, **env))
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_a_command(self):
        """PYMEM_OUTPUT that ends in .summary; at its end, and with the command's status."""
        python = some_interpreters(1)[0].path
        self.command("--", python, "-c", ARMED + "print(1); raise SystemExit(7)", code=7,
                     PYMEM_OUTPUT=self.path("%p.summary"))
        (name,) = glob.glob(self.path("*.summary"))
        with open(name) as f:
            summary = json.load(f)
        self.assertEqual("%d.summary" % summary["pid"], os.path.basename(name))
        self.command("--profile", "--upload", "cat - >>%s" % self.path("all"), "-f",
                     self.path("%p.pb.gz"), "--", python, "-c", ARMED)
        (name,) = glob.glob(self.path("*.pb.gz"))
        with gzip.open(name) as f, gzip.open(self.path("all")) as g:
            self.assertEqual(f.read(), g.read())

    def test_signals_of_a_command(self):
        """They are the command's as long as it lives, also while something is uploaded; then
        they end the upload."""
        code = ("import os, signal, sys, time\n"
                "signal.signal(signal.SIGTERM, lambda *a: (open(%r, 'w').close(), os._exit(5)))\n"
                "open(%r, 'w').close()\nwhile True: time.sleep(0.1)\n"
                % (self.path("told"), self.path("ready")))
        os.mkfifo(self.path("gate"))
        for again in signal.SIGTERM, signal.SIGINT:
            with subprocess.Popen(
                    [LOAD, "--summary", "-f", self.path("x.summary"), "--upload",
                     "touch %s; read x <%s; :" % (self.path("begun"), self.path("gate")), "--",
                     some_interpreters(1)[0].path, "-c", code], stderr=subprocess.PIPE,
                    cwd=self.path("."), env=dict(os.environ, PYMEM_SIGNAL="1")) as p:
                self.assertTrue(until(lambda: os.path.exists(self.path("ready")), 120))
                with open("/proc/%d/task/%d/children" % (p.pid, p.pid)) as f:
                    (command,) = map(int, f.read().split())
                os.kill(command, signal.SIGRTMIN + 5)
                self.assertTrue(until(lambda: os.path.exists(self.path("begun")), 120))
                self.assertFalse(os.path.exists(self.path("told")))
                p.terminate()
                self.assertTrue(until(lambda: os.path.exists(self.path("told")), 120))
                self.assertIsNone(p.poll())
                with open("/proc/%d/stat" % command) as f:
                    self.assertTrue(until(lambda: f.seek(0) or
                                          f.read().split()[-50] == "Z", 120))
                p.send_signal(again)
                self.assertEqual(p.wait(120), 5)
                self.assertRegex(p.stderr.read().decode(),
                                 r"^pymem-load: not uploaded: .*: the upload command was killed")
            for name in "told", "ready", "begun":
                os.unlink(self.path(name))
            self.assertEqual(sorted(os.listdir(self.tmp)), ["gate", "x.summary"])

    def test_leak_check(self):
        python = some_interpreters(1)[0].path
        with open(self.path("marks.py"), "w") as f:
            f.write(MARKS)
        done = self.command("--leak-check", 3, "--", python, "marks.py", code=4)
        self.assertEqual(done.stdout, b"the program's own words\n")
        said = done.stderr.decode()
        self.assertRegex(said, r"leaky: grew at every one of 3 marks:\n"
                               r"  __main__\.KEPT\[\*\] +__main__\.Thing +200 ")
        self.assertNotIn("clean: grew", said)
        self.assertIn("short: only 2 of 3 marks", said)
        code = ("import os, signal, time\nfor i in range(3):\n"
                " n = len(os.listdir(os.path.dirname(os.environ['PYMEM_MARK'])))\n"
                " os.kill(%s, signal.SIGUSR2)\n"
                " while len(os.listdir(os.path.dirname(os.environ['PYMEM_MARK']))) <= n:\n"
                "  time.sleep(0.01)\n"
                " time.sleep(0.01)\n"
                " while any(x.endswith('.part') for x in\n"
                "  os.listdir(os.path.dirname(os.environ['PYMEM_MARK']))): time.sleep(0.01)\n")
        done = self.command("--leak-check", 3, "--", python, "-c", code % "os.getpid()")
        self.assertIn(b"nothing grew at every one of 3 marks", done.stderr)
        self.assertNotIn(b"PYMEM_SIGNAL", done.stderr)
        self.command("--leak-check", 3, "--", python, "-c", "pass", code=1)
        for option, least in ("--leak-check", 2), ("--count", 1):
            for number in least - 1, "x", 1 << 65:
                done = self.command(option, number, "--", python, "-c", "pass", code=2)
                self.assertIn(b"a whole number from %d to " % least, done.stderr)

    def test_marks_in_turn(self):
        """Each name's are compared, whatever comes between them, and told of once."""
        python = some_interpreters(1)[0].path
        done = self.command("--leak-check", 3, "--", python, "-c", TURNS, code=4)
        said = done.stderr.decode()
        for name in "a", "b":
            (words,) = re.findall(r"^pymem-load: %s: grew at every one of 3 marks:\n((?:  .*\n)+)"
                                  % name, said, re.M)
            self.assertRegex(words, r"  __main__\.KEPT\[\*\] +__main__\.Thing +200 ")
            self.assertNotIn("Once", words)
        self.assertEqual(re.findall(r"pymem-load: (?:rare|x+.): only . of .*", said), [
            "pymem-load: rare: only 2 of 3 marks",
            "pymem-load: %s1: only 2 of 3 marks" % ("x" * 1000),
            "pymem-load: %s2: only 1 of 3 marks" % ("x" * 1000)])
        self.assertEqual(said.count("\npymem-load: "), 4, said)

    def test_fast_marks(self):
        python = some_interpreters(1)[0].path
        done = self.command("--leak-check", 3, "--", python, "-c", FAST_SIGNALS)
        self.assertEqual(done.stderr.count(b"signals came faster than snapshots"), 1)
        done = self.command("--leak-check", 3, "--", python, "-c", FAST_LINES)
        self.assertIn(b"ended before the snapshots of its last marks", done.stderr)
        self.assertIn(b"y: only 1 of 3 marks", done.stderr)
        self.assertIn(b"nothing grew at every one of 3 marks", done.stderr)

    def test_pytest(self):
        """The recipe of pymem-load(1)."""
        # Debian's first, which has python3-pytest
        found = next((p.path for p in sorted(interpreters(), key=lambda p: ".pyenv" in p.path)
                      if subprocess.run([p.path, "-c", "import pytest"],
                                        stderr=subprocess.DEVNULL).returncode == 0), None)
        if not found:
            self.skipTest("no interpreter has pytest")
        with open(os.path.join(ROOT, "loader/pymem-load.1")) as f:
            manual = f.read().replace("\\e", "\\")
        for line in filter(None, CONFTEST.splitlines()):
            self.assertIn(line, manual)
        with open(self.path("conftest.py"), "w") as f:
            f.write(CONFTEST)
        with open(self.path("test_it.py"), "w") as f:
            f.write("CACHE = []\nclass Row: pass\n"
                    "def test_good(tmp_path):\n    assert [Row() for _ in range(50)]\n"
                    "def test_bad():\n    CACHE.extend(Row() for _ in range(50))\n")
        # without others' plugins a heap, of which twelve snapshots are taken, is a third
        done = self.command("--leak-check", 4, "--", found, "-m", "pytest", "-q", "-p",
                            "no:cacheprovider", code=4, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        self.assertIn(b"2 passed", done.stdout)
        said = done.stderr.decode()
        self.assertRegex(said, r"test_it.py::test_bad: grew at every one of 4 marks:\n(.*\n)*"
                               r"  test_it\.CACHE\[\*\] +test_it\.Row +150 ")
        self.assertNotIn("test_good: grew", said)


if __name__ == "__main__":
    main()
