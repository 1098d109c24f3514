# ctest: labels=e2e;ptrace cost=30
# SPDX-License-Identifier: MIT
"""The two programs as a demanding user has them: exports that other programs must
read, output that cannot be written, options that don't go together."""
import pty
import resource
import stat

from harness import *

MAKE = os.path.join(BUILD, "bin", "make_snapshot")
FULL = "/dev/full"

CODE = r'''
class Item:
    def __init__(self, i):
        self.name, self.n = "item %d" % i, [i, float(i)]
MARK = "<%s is the mark>" % sys.argv[1]
ITEMS = {i: Item(i) for i in range(500)}
LOOP = []
LOOP.append(LOOP)
ready(); serve()
'''


def check_heapsnapshot(test, text):
    """What Chrome's loader and memlab rely on, from the format's own description of
    itself.  Returns the names of all nodes that the root reaches."""
    doc = json.loads(text)
    meta, nodes, edges, strings = (doc["snapshot"]["meta"], doc["nodes"], doc["edges"],
                                   doc["strings"])
    nf, ef = meta["node_fields"], meta["edge_fields"]
    width, ewidth = len(nf), len(ef)
    count = doc["snapshot"]["node_count"]
    test.assertEqual(len(nodes), count * width)
    test.assertEqual(len(edges), doc["snapshot"]["edge_count"] * ewidth)
    column = {name: nodes[i::width] for i, name in enumerate(nf)}
    test.assertEqual(len(set(column["id"])), count)
    test.assertEqual(sum(column["edge_count"]), doc["snapshot"]["edge_count"])
    test.assertLess(max(column["name"]), len(strings))
    test.assertLess(max(column["type"]), len(meta["node_types"][0]))
    etype, ename, to = (edges[ef.index(f)::ewidth]
                        for f in ("type", "name_or_index", "to_node"))
    types = meta["edge_types"][0]
    test.assertTrue(all(t % width == 0 and t < len(nodes) for t in to))
    test.assertTrue(all(types[k] in ("element", "hidden") or n < len(strings)
                        for k, n in zip(etype, ename)))
    first, at = [], 0
    for n in column["edge_count"]:
        first.append(at)
        at += n
    seen, queue = {0}, [0]
    for node in queue:
        for e in range(first[node], first[node] + column["edge_count"][node]):
            if types[etype[e]] != "weak" and to[e] // width not in seen:
                seen.add(to[e] // width)
                queue.append(to[e] // width)
    test.assertEqual(len(seen), count)
    return [strings[column["name"][n]] for n in queue]


class Use(Case):
    def fails(self, code, *words, **kw):
        """These words fail with that exit code and one line on standard error."""
        done = subprocess.run([str(w) for w in words], stderr=subprocess.PIPE, timeout=300,
                              **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **kw})
        err = done.stderr.decode()
        self.assertEqual(done.returncode, code, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        return err

    def shop(self, kind="shop"):
        subprocess.run([MAKE, kind, self.path(kind)], check=True, timeout=30)
        return self.path(kind)

    def most_memory(self, *args):
        """KiB that the viewer had at most, which writes to a file."""
        with open(self.path("rows"), "wb") as f:
            child = subprocess.Popen([VIEW, "--no-sidecar", *args], stdout=f)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        self.assertEqual(status, 0)
        return usage.ru_maxrss

    def test_all_objects_need_no_memory(self):
        """Rows go out as they are made: those of 100,000 objects would be 47 MB."""
        with Target(some_interpreters(1)[0],
                    "A = [float(i) for i in range(100000)]\nready(); serve()") as target:
            run_load("-q", "-f", self.path("a"), target.pid)
        few = self.most_memory("--report", "objects", "--limit", "10", self.path("a"))
        all_of_them = self.most_memory("--report", "objects", "--all", "--format", "json",
                                       self.path("a"))
        self.assertLess(all_of_them - few, 24000)
        with open(self.path("rows"), "rb") as f:
            (process,) = json.load(f)["processes"]
        self.assertEqual(len({row["address"] for row in process["rows"]}), process["total"])
        self.assertGreater(process["total"], 100000)

    def test_export_of_a_second_process(self):
        """--export heapsnapshot writes the process of --pid; else the first, and says so."""
        python = some_interpreters(2)[-1]
        both = self.path("both")
        with Target(python, CODE, ["one"]) as a, Target(python, CODE, ["two"]) as b:
            run_load("-q", "-f", both, a.pid, b.pid)
            for pid, mark in ((a.pid, "<one is the mark>"), (b.pid, "<two is the mark>")):
                out = self.path("%d.heapsnapshot" % pid)
                done = run_view("--export", "heapsnapshot", "--pid", pid, "-o", out, both)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                with open(out, encoding="utf-8") as f:
                    names = check_heapsnapshot(self, f.read())
                self.assertEqual([n for n in names if n.endswith("e mark>") and
                                  "%s" not in n], [mark])
                self.assertGreaterEqual(names.count("__main__.Item"), 500)
        done = run_view("--export", "heapsnapshot", "-o", "-", both)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"2 processes", done.stderr)
        self.assertIn(b"--pid", done.stderr)
        names = check_heapsnapshot(self, done.stdout.decode())
        self.assertIn("<one is the mark>", names)
        self.assertIn("no process of that pid",
                      self.fails(1, VIEW, "--export", "heapsnapshot", "--pid", 1, "-o",
                                 self.path("none"), both))
        self.assertFalse(os.path.exists(self.path("none")))

    def test_export_that_cannot_be_written(self):
        """The output is blamed, by its name, not the snapshot."""
        snapshot = self.shop()
        for kind in ("jsonl", "heapsnapshot"):
            with open(FULL, "wb") as full:
                self.assertIn("-: cannot write: No space left",
                              self.fails(1, VIEW, "--export", kind, "-o", "-", snapshot,
                                         stdout=full))
            out = "/nonexistent/x"
            self.assertIn(out + ": cannot write: No such file",
                          self.fails(1, VIEW, "--export", kind, "-o", out, snapshot))

    def test_export_into_what_is_no_file(self):
        """A pipe, or a device, is written to: it isn't replaced by a file of that name."""
        snapshot, fifo = self.shop(), self.path("fifo")
        os.mkfifo(fifo)
        for kind in ("jsonl", "heapsnapshot"):
            with subprocess.Popen([VIEW, "--no-sidecar", "--export", kind, "-o", fifo,
                                   snapshot]) as view:
                with open(fifo, "rb") as f:
                    data = f.read()
            self.assertEqual(view.returncode, 0)
            self.assertIn(b"shop.models.Session", data)
            self.assertTrue(stat.S_ISFIFO(os.stat(fifo).st_mode))
        os.mkfifo(self.path("fifo.svg"))
        self.assertIn("is no file", self.fails(1, VIEW, "--no-sidecar", "--graph", "treemap", "-o",
                                               self.path("fifo.svg"), snapshot))
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("fifo.svg")).st_mode))
        self.assertIn("is a directory", self.fails(1, VIEW, "--export", "jsonl", "-o",
                                                   self.tmp, snapshot).lower())
        self.assertEqual(sorted(os.listdir(self.tmp)), ["fifo", "fifo.svg", "shop"])

    def test_pipes_to_read(self):
        """A snapshot comes through a pipe, opened once; one without a writer is given up."""
        fifo = self.path("fifo")
        with open(self.shop(), "rb") as f:
            data = f.read()
        os.mkfifo(fifo)
        for args in (["--report", "types"], ["--sql", "SELECT name FROM type"],
                     ["--export", "jsonl", "-o", "-"], ["--export", "heapsnapshot", "-o", "-"]):
            with subprocess.Popen([VIEW, *args, fifo], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as view:
                with open(fifo, "wb") as f:
                    f.write(data)
                out, err = view.communicate(timeout=300)
            self.assertEqual((view.returncode, err), (0, b""))
            self.assertIn(b"shop.models.Session", out)
        for args in ["--mcp"], ["--export", "jsonl", "-o", "-"], ["--merge"]:
            self.assertIn("fifo: it is a pipe that nobody writes to",
                          self.fails(1, VIEW, *args, fifo))

    def test_reports_that_cannot_be_written(self):
        snapshot = self.shop()
        python = some_interpreters(1)[0]
        with open(FULL, "wb") as full:
            for words in ([VIEW, "--help"], [VIEW, "--version"], [LOAD, "--help"],
                          [LOAD, "--version"], [VIEW, "--report", "types", snapshot]):
                self.assertIn("No space left", self.fails(1, *words, stdout=full))
            with Target(python, CODE, ["x"]) as target:
                self.assertIn("standard output",
                              self.fails(1, LOAD, "--json", "-q", "-f", self.path("kept"),
                                         target.pid, stdout=full))
                self.assertEqual(run_view("--report", "overview", self.path("kept"))
                                 .returncode, 0)

    def test_options_that_do_not_go_together(self):
        snapshot = self.shop()
        for words, said in (
                (["--report", "types", "-o", "x"], "-o is for"),
                (["--graph", "refs", "-o", "x.png"], "--of"),
                (["--of", "Item"], "--graph"),
                (["--report", "types", "--pid", "1"], "--pid"),
                (["--export", "jsonl", "--pid", "1", "-o", "x"], "--pid"),
                (["--report", "types", "--script", "/dev/null"], "--script"),
                (["--listen", self.path("socket"), "--report", "types"], "--listen"),
                (["--report", "types", "--graph", "treemap", "-o", "x.png"],
                 "--graph and --report don't go together"),
                (["--graph", "refs", "--depth", "101", "--of", "Item", "-o", "x.png"],
                 "up to 100")):
            self.assertIn(said, self.fails(2, VIEW, *words, snapshot, cwd=self.tmp))
        self.assertEqual(os.listdir(self.tmp), ["shop"])

    def on_terminal(self, term, *words):
        """What the words print on a terminal of that name; their exit code."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(words[0], [str(w) for w in words], dict(os.environ, TERM=term))
        said = b""
        while True:
            try:
                got = os.read(fd, 65536)
            except OSError:
                got = b""	# EIO: nobody has the other end any more
            if not got:
                break
            said += got
        os.close(fd)
        return said.decode(), os.waitpid(pid, 0)[1]

    def test_unknown_terminal(self):
        """Without a description of the terminal there are reports, and it is said why."""
        with Target(some_interpreters(1)[0], CODE, ["x"]) as target:
            for words in ([LOAD, "-f", self.path("a"), target.pid],
                          [VIEW, "--no-sidecar", self.path("a")]):
                said, status = self.on_terminal("no-such-terminal", *words)
                self.assertEqual(status, 0, said)
                self.assertEqual(said.count("no terminal 'no-such-terminal' is known"), 1, said)
                self.assertIn("Types: process", said)
                self.assertIn("__main__.Item", said)
        said, status = self.on_terminal("dumb", VIEW, "--no-sidecar", self.path("a"))
        self.assertNotIn("is known", said)
        self.assertIn("Types: process", said)

    def test_fifo(self):
        """A named pipe is read once, and nothing waits for a second writer."""
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        with open(self.shop(), "rb") as f:
            data = f.read()
        with subprocess.Popen([VIEW, "--report", "types", fifo], stdout=subprocess.PIPE) as view:
            with open(fifo, "wb") as f:
                f.write(data)
            try:
                out = view.communicate(timeout=20)[0]
            except subprocess.TimeoutExpired:
                view.kill()
                raise
        self.assertEqual(view.returncode, 0)
        self.assertIn(b"shop.models.Session", out)
        self.assertEqual(sorted(os.listdir(self.tmp)), ["fifo", "shop"])

    def test_interrupted_export(self):
        """It leaves nothing behind, whatever ends it."""
        snapshot = self.shop()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            view = subprocess.Popen([VIEW, "--export", "jsonl", "-o",
                                     self.path("out.jsonl"), "-"],
                                    stdin=subprocess.PIPE)
            try:	# it waits for the snapshot's rest
                view.stdin.write(open(snapshot, "rb").read()[:200])
                view.stdin.flush()
                wait_for(lambda: len(os.listdir(self.tmp)) > 1, 60, "the temporary file")
                view.send_signal(sig)
                self.assertEqual(view.wait(60), -sig)
            finally:
                view.kill()
                view.stdin.close()
                view.wait()
            wait_for(lambda: os.listdir(self.tmp) == ["shop"], 60, "its removal")

    def test_columns_by_title(self):
        """--sort takes keys and titles, in any case of letters."""
        snapshot = self.shop()
        by = [run_view("--no-sidecar", "--report", "types", "--sort", sort, snapshot).stdout
              for sort in ("count", "Count", "COUNT")]
        self.assertEqual(by[0], by[1])
        self.assertEqual(by[0], by[2])
        self.assertEqual(
            *(run_view("--no-sidecar", "--report", "growth", "--compare", snapshot, "--sort",
                       sort, self.shop("later")).stdout
              for sort in ("-total_diff", "-growth")))

    def test_type_candidates(self):
        """What was meant is listed, once; a type without instances isn't in the way."""
        snapshot = self.shop()
        done = run_view("--no-sidecar", "--report", "objects", "--type", "session", snapshot)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"there are: shop.models.Session (60)", done.stderr)

    def test_no_such_type(self):
        """A script sees it in the exit code."""
        snapshot = self.shop()
        for report in ("types", "objects", "paths"):
            self.assertIn("no type of that name",
                          self.fails(1, VIEW, "--no-sidecar", "--report", report, "--type",
                                     "NoSuchType", snapshot, stdout=subprocess.DEVNULL))

    def test_diff_has_what_changed(self):
        rows = json.loads(run_view("--no-sidecar", "--report", "diff", "--format", "json",
                                   "--compare", self.shop(), self.shop("later"))
                          .stdout.decode())["processes"][0]["rows"]
        self.assertTrue(rows)
        for row in rows:
            self.assertTrue(row["count_diff"] or row["size_diff"], row)
        same = json.loads(run_view("--no-sidecar", "--report", "diff", "--format", "json",
                                   "--compare", self.shop(), self.shop())
                          .stdout.decode())["processes"][0]["rows"]
        self.assertEqual(same, [])

    def test_memory_error_of_small_objects(self):
        """What is set aside of a limited address space is enough for a heap that fills it."""
        code = ("x, spare = [], bytearray(100000)\ntry:\n"
                "    while True: x.append(dict(a=len(x), b=[len(x)]))\n"
                "except MemoryError:\n    del spare; n = len(x); x = None; print(n)\n")
        python = some_interpreters(1)[0]
        path, limit = self.path("full"), (400 << 20,) * 2
        done = subprocess.run(
            [python.path, "-c", code], timeout=600, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, LD_PRELOAD=AGENT, PYMEM_OUTPUT=path,
                     PYMEM_MEMORY_ERROR="1"),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        row = json.loads(run_view("--no-sidecar", "--report", "overview", "--format",
                                  "json", path).stdout.decode())
        row = row["processes"][0]["rows"][0]
        self.assertTrue(row["complete"])
        self.assertGreater(row["objects"], 2 * int(done.stdout))

    SLOTS = r'''
wide = type("Wide", (), {"__slots__": ["w%d" % i for i in range(1000)]})()
for i in range(1000):
    setattr(wide, "w%d" % i, ["of w%d" % i])
deep = object
for i in range(200):
    deep = type("Deep%d" % i, (deep,), {"__slots__": ("d%d" % i,)})
deep = deep()
for i in range(200):
    setattr(deep, "d%d" % i, ["of d%d" % i])
ready(); serve()
'''

    def test_many_slots(self):
        """However many slots a class has, and however deep its bases lie: none is lost."""
        for python in some_interpreters(3):
            path = self.path("slots")
            with self.subTest(python=python.name), Target(python, self.SLOTS) as target:
                run_load("-q", "-f", path, target.pid)
                lines = run_view("--no-sidecar", "--export", "jsonl", "-o", "-", path)
                labels = {o["type"]: {r["label"] for r in o["refs"]}
                          for o in map(json.loads, lines.stdout.decode().splitlines())
                          if o.get("type") in ("__main__.Wide", "__main__.Deep199")}
                for name, letter, count in (("Wide", "w", 1000), ("Deep199", "d", 200)):
                    self.assertEqual({".%s%d" % (letter, i) for i in range(count)} -
                                     labels["__main__." + name], set())

    def test_values_of_a_command(self):
        """--values N reaches the command's own snapshots, as PYMEM_VALUES=N."""
        python = some_interpreters(1)[0]
        code = ARMED + "text = 'start' + 'x' * 500 + 'end'"
        for words, env, length in ((["--values", "200"], {}, 200),
                                   ([], {"PYMEM_VALUES": "20"}, 20), ([], {}, 64)):
            path = self.path("values.pymem")
            done = subprocess.run([LOAD, "-f", path] + words + ["--", python.path, "-c", code],
                                  env=dict(os.environ, **env), timeout=300,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            lines = run_view("--export", "jsonl", "-o", "-", path).stdout.decode()
            values = [o.get("value") for o in map(json.loads, lines.splitlines())
                      if o.get("type") == "builtins.str"]
            values = [str(v) for v in values if "startxxx" in str(v)]
            self.assertIn(length, [max(len(v) for v in [p.strip("'") for p in values])],
                          values)
        self.assertIn(b"from 0 to 4096", run_load("--values", 4097, 1).stderr)

    def test_no_values_through_the_control_socket(self):
        """PYMEM_VALUES=0 is the program's word: pymem-load gets none either."""
        for values, expected in (("0", False), ("1", True)):
            path, folder = self.path("v" + values), self.path("c" + values)
            env = dict(os.environ, LD_PRELOAD=AGENT, PYMEM_VALUES=values, PYMEM_CONTROL=folder)
            with Target(some_interpreters(1)[0], CODE, ["secret"], env=env) as target:
                wait_for(lambda: os.path.exists("%s/%d.sock" % (folder, target.pid)))
                done = run_load("-q", "--json", "-f", path, target.pid)
                self.assertTrue(json.loads(done.stdout.decode())["snapshots"][0]["preloaded"])
            lines = run_view("--no-sidecar", "--export", "jsonl", "-o", "-", path).stdout
            self.assertEqual(b"<secret is the mark>" in lines, expected)

    def test_wrong_exec_is_told(self):
        """Even by -q: whoever names a binary wants to know that it is another."""
        python = some_interpreters(1)[0]
        with Target(python, CODE, ["x"]) as target:
            said = run_load("-q", "-e", "/bin/true", "-f", self.path("a"), target.pid)
            self.assertEqual(said.returncode, 0)
            self.assertIn(b"another file than /bin/true", said.stderr)
            exe = os.readlink("/proc/%d/exe" % target.pid)
            said = run_load("-q", "-e", exe, "-f", self.path("b"), target.pid)
            self.assertEqual((said.returncode, said.stderr), (0, b""))


if __name__ == "__main__":
    main()
