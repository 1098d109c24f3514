# ctest: labels=e2e;ptrace;view cost=27
# SPDX-License-Identifier: MIT
"""pymem-view --mcp: a scripted client finds planted leaks in at most three calls each; it
captures what the user allowed, nothing else; the server outlives whatever a client sends."""
import re

from harness import *

MAKE = os.path.join(BUILD, "bin", "make_snapshot")
COMMON = r'''
import threading, functools
class Session:
    def __init__(self, i):
        self.user = "secret-user-%d" % i
        self.data = [i, i + 1]
N = 12000
'''
# name: code, and the calls that lead to the words of the holder
LEAKS = {
    "a dict of a module": (r'''
STORE = {"sessions": {}}
for i in range(N):
    STORE["sessions"][i] = Session(i)
ready(); serve()
''', ["overview"], ["__main__.STORE['sessions']", "Session; retained"]),
    "a closure": (r'''
def make():
    cache = [Session(i) for i in range(N)]
    def handler(request):
        return cache[request]
    return handler
handler = make()
ready(); serve()
''', ["overview", "suspects"], ["__main__.handler", "closure cache"]),
    "a cache of a function": (r'''
@functools.lru_cache(maxsize=None)
def lookup(i):
    return Session(i)
for i in range(N):
    lookup(i)
ready(); serve()
''', ["overview", "suspects"], ["__main__.lookup"]),
    "a local variable of a thread": (r'''
import time
def worker():
    kept = [Session(i) for i in range(N)]
    ready()
    time.sleep(1000)
threading.Thread(target=worker, daemon=True, name="worker-7").start()
serve()
''', ["overview", "threads"], ["worker", "kept", "worker-7"]),
    "tasks that never end": (r'''
import asyncio
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
gate = loop.create_future()
async def never(session):
    await gate
tasks = [loop.create_task(never(Session(i))) for i in range(N)]
loop.run_until_complete(asyncio.sleep(0))
ready(); serve()
''', ["tasks"], ["iB; stack never()", "; address 0x"]),
    "growth": (r'''
BIG = [Session(i) for i in range(N)]
class Registry:
    items = []
def grow():
    for i in range(2000):
        Registry.items.append(Session(i))
ready(); serve()
''', ["growth"], ["Registry", "items", "+2,000"]),
}


class Client:
    def __init__(self, *args, cwd=None):
        self.proc = subprocess.Popen([VIEW, "--no-sidecar", "--mcp", *map(str, args)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, cwd=cwd)
        self.id = 0

    def send(self, data):
        self.proc.stdin.write(data)
        self.proc.stdin.flush()

    def answer(self):
        return json.loads(self.proc.stdout.readline().decode("ascii"))

    def request(self, method, **params):
        self.id += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self.id, "method": method,
                              "params": params}).encode() + b"\n")
        answer = self.answer()
        assert answer["id"] == self.id and answer["jsonrpc"] == "2.0", answer
        return answer

    def call(self, name, error=False, **arguments):
        result = self.request("tools/call", name=name, arguments=arguments)["result"]
        text = result["content"][0]["text"]
        assert result["isError"] == error, text
        assert len(text.encode()) <= arguments.get("max_bytes", 2048), text
        return text

    def refused(self, name, **arguments):
        """What is said of arguments that the tool doesn't take."""
        error = self.request("tools/call", name=name, arguments=arguments)["error"]
        assert error["code"] == -32602, error
        return error["message"]

    def close(self):
        self.proc.stdin.close()
        code = self.proc.wait(timeout=300)
        self.proc.stdout.close()
        self.proc.stderr.close()
        return code

    def __enter__(self):
        self.request("initialize", protocolVersion="2025-06-18", capabilities={},
                     clientInfo={"name": "test", "version": "1"})
        self.send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.close()


class Leaks(Case):
    def test_found_in_three_calls(self):
        python = some_interpreters(1)[0]
        for name, (code, calls, words) in LEAKS.items():
            with self.subTest(name):
                files = [self.path("new")]
                with Target(python, COMMON + code) as target:
                    if name == "growth":
                        old = self.path("old")
                        self.assertEqual(run_load("-q", "-f", old, target.pid).returncode, 0)
                        target.tell("grow()")
                        files += ["--compare", old]
                    self.assertEqual(run_load("-q", "-f", files[0], target.pid).returncode, 0)
                self.assertLessEqual(len(calls), 3)
                with Client(*files) as client:
                    answers = "".join(client.call(call) for call in calls)
                for word in words:
                    self.assertIn(word, answers)
                self.assertNotIn("secret-user", answers)


class Capture(Case):
    def test_capture(self):
        """Of the processes that were allowed, and of what growth is told then."""
        with Target(some_interpreters(1)[0], COMMON + "KEPT = [Session(i) for i in range(N)]\n"
                    "ready(); serve()") as target:
            other = subprocess.Popen(["sleep", "1000"])
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
            with Client("--allow-capture", target.pid, "--allow-capture", other.pid,
                        cwd=self.path(".")) as client:
                tools = client.request("tools/list")["result"]["tools"]
                self.assertEqual((len(tools), tools[-1]["name"]), (15, "capture"))
                self.assertFalse(tools[-1]["annotations"]["readOnlyHint"])
                self.assertIn("or capture", client.call("overview", error=True))
                self.assertRegex(client.call("capture", error=True),
                                 "which pid.* %d %d;" % (target.pid, other.pid))
                for pid in 1, os.getpid(), 2**31 - 1:
                    self.assertIn("did not allow", client.call("capture", error=True, pid=pid))
                for pid in 0, -1, 2**60, 2**70, "x", str(target.pid), [], target.pid + 2**32:
                    self.assertIn("pid must be a whole number from 1",
                                  client.refused("capture", pid=pid))
                self.assertIn("there are: pid, max_bytes",
                              client.refused("capture", pid=target.pid, offset=0))
                self.assertIn("no snapshot of %d: pymem-load: " % other.pid,
                              client.call("capture", error=True, pid=other.pid))
                self.assertIn("__main__.KEPT", client.call("capture", pid=target.pid))
                self.assertIn("no older snapshot", client.call("growth"))
                target.tell("KEPT += [Session(i) for i in range(2000)]")
                self.assertIn("snapshot 1", client.call("capture", pid=target.pid))
                self.assertRegex(client.call("growth"), r"KEPT\[\*\].*\+2,000")
                target.proc.kill()
                target.proc.wait()
                self.assertIn("has ended", client.call("capture", error=True, pid=target.pid))
                self.assertRegex(client.call("growth"), r"KEPT\[\*\].*\+2,000")
        files = glob.glob(self.path("pymem_out/*"))
        self.assertEqual(len(files), 2, files)
        for name in files:
            self.assertEqual(os.stat(name).st_mode & 0o777, 0o600)
            self.assertEqual(run_view("--no-sidecar", "--report", "overview",
                                      name).returncode, 0)

    def test_not_allowed(self):
        with Client() as client:
            self.assertIn("--allow-capture PID", client.call("capture", error=True, pid=1))
            self.assertEqual(len(client.request("tools/list")["result"]["tools"]), 14)
        for args, code in (("--allow-capture", 2**31 - 2), 1), (("--allow-capture", 0), 2), \
                          (("--allow-capture", "x"), 2), (("--allow-capture", 2**32 + 1), 2):
            done = run_view("--mcp", *args)
            self.assertEqual((done.returncode, done.stdout), (code, b""))
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(run_view("--allow-capture", 1, self.path("x")).returncode, 2)


class Server(Case):
    def setUp(self):
        super().setUp()
        for kind in ("shop", "later", "hostile", "cut"):
            subprocess.run([MAKE, kind, self.path(kind)], check=True, timeout=30)

    def test_tools(self):
        with Client(self.path("later"), "--compare", self.path("shop")) as client:
            tools = client.request("tools/list")["result"]["tools"]
            self.assertLessEqual(len(tools), 15)
            for tool in tools:
                self.assertEqual(tool["inputSchema"]["type"], "object")
            suspects = client.call("suspects")
            address = re.search("address (0x[0-9a-f]+)", suspects).group(1)
            self.assertIn("keeps alive, nothing else does", client.call("object", address=address))
            self.assertIn("step 0", client.call("paths", address=address))
            self.assertIn("+30", client.call("growth"))
            first = client.call("objects", type="shop.models.Session", limit=3)
            self.assertIn("offset=3", first)
            second = client.call("objects", type="shop.models.Session", limit=3, offset=3)
            self.assertFalse(set(re.findall("address (0x[0-9a-f]+)", first)) &
                             set(re.findall("address (0x[0-9a-f]+)", second)))
            long = client.call("sql", query="SELECT * FROM object", limit=500)
            self.assertIn("max_bytes", long)
            self.assertGreater(len(client.call("sql", query="SELECT * FROM object", limit=500,
                                               max_bytes=20000)), 10000)
            self.assertRegex(client.call("packages"), r"(?m)^- package shop; count \d+; size ")
            for tool in "types diff packages threads budget".split():
                self.assertNotIn("no rows", client.call(tool))
            self.assertIn("no asyncio tasks", client.call("tasks"))
            self.assertEqual(client.close(), 0)

    def test_errors(self):
        with Client() as client:
            self.assertIn("use the tool open", client.call("overview", error=True))
            self.assertIn("cannot open", client.call("open", error=True, file="/nowhere"))
        # root's server opens what was named to it, nothing else
        with Client(self.path("shop"), self.path("cut")) as client:
            self.assertIn("pid", client.call("open", file=self.path("shop")))
            self.assertIn("needs the argument address", client.refused("object"))
            self.assertIn("needs the argument type", client.refused("objects", type=None))
            self.assertIn("suspects or objects", client.call("object", address="12"))
            self.assertIn("column 8", client.call("sql", error=True, query="SELECT nope"))
            self.assertIn("only read", client.call("sql", error=True, query="PRAGMA x"))
            self.assertIn("there are: open", client.refused("nope"))
            self.assertIn("one statement at a time", client.call("sql", query="SELECT 1; SELECT 2"))
            self.assertNotIn("one statement", client.call("sql", query="SELECT 1 ; "))
            self.assertIn("no statement", client.call("sql", query=" ; "))
            self.assertIn("/nowhere: No such file",
                          client.call("open", error=True, file="/nowhere"))
            os.mkfifo(self.path("pipe"))     # nor would that ever end
            for file in "-", self.path("pipe"), self.path("."):
                # root's server can't see what is in a folder of root's
                self.assertRegex(client.call("open", error=True, file=file),
                                 "no regular file|run by root")
            self.assertIn("pid", client.call("overview"))      # it is still open
            self.assertIn("INCOMPLETE", client.call("open", file=self.path("cut")))

    def test_nothing_older(self):
        """That nothing grew isn't what is said where there is nothing to compare with."""
        shop = self.path("shop")
        for files, said in (([shop], "no older snapshot to compare with"),
                            ([shop, "--compare", shop], "since the snapshot before")):
            with Client(*files) as client:
                for tool in "growth", "diff":
                    self.assertIn(said, client.call(tool))

    def test_open_as_root(self):
        """It says the rule, where that is the cause."""
        if os.geteuid():
            self.skipTest("needs root")
        if b"__asan_init" in open(VIEW, "rb").read():
            self.skipTest("a viewer that is looked through for leaks keeps its rights")
        with Client(self.path("shop")) as client:
            for more in {"file": self.path("cut")}, {"file": self.path("shop"),
                                                     "compare": self.path("cut")}:
                said = client.call("open", error=True, **more)
                self.assertIn("/cut: run by root, pymem-view opens only files that", said)
                self.assertNotIn("Permission", said)
            with open(self.path("later"), "w") as f:
                f.write("x" * 1000)
        with Client(self.path("shop"), "--compare", self.path("shop")) as client:
            self.assertNotIn("root", client.call("open", error=True, file="/nowhere"))
        os.rename(self.path("shop"), self.path("gone"))
        self.assertIn(b"No such file", run_view("--mcp", self.path("shop")).stderr)
        self.assertNotIn(b"root", run_view("--mcp", self.path("later")).stderr)

    def test_arguments(self):
        """What isn't in a tool's schema is said to be wrong, by the request's id."""
        with Client(self.path("shop")) as client:
            tools = client.request("tools/list")["result"]["tools"]
            needed = {"address": "0x12", "type": "x", "query": "SELECT 1", "file": "x"}
            for tool in tools:
                schema = tool["inputSchema"]
                given = {name: needed[name] for name in schema["required"]}
                names = list(schema["properties"])
                self.assertEqual(
                    client.refused(tool["name"], **given, **{'lim"it\n': 1}),
                    '%s takes no argument "lim\\"it\\n"; there are: %s' % (tool["name"],
                                                                      ", ".join(names)))
                for name, rule in schema["properties"].items():
                    wrong = [[], {}, True, 1e300, 10**30, -10**30]
                    if rule["type"] == "integer":
                        wrong += [rule["minimum"] - 1, rule["maximum"] + 1, "2", "", 1.5, -1]
                        said = "%s must be a whole number from %d to %d" % (
                            name, rule["minimum"], rule["maximum"])
                    else:
                        wrong += [7] + ["x"] * ("enum" in rule) + \
                            ["", "xyz", "0x", "-1", "0x1g", "1" * 20] * (name == "address")
                        said = name + " must be "
                    for value in wrong:
                        with self.subTest(tool["name"], name=name, value=value):
                            self.assertTrue(client.refused(
                                tool["name"], **dict(given, **{name: value})).startswith(said))
            for value in 2, 2.0:
                self.assertIn("offset=2", client.call("types", limit=value))
            self.assertEqual(client.call("types", limit=None, offset=None).splitlines()[1:-1],
                             client.call("types").splitlines()[1:-1])

    def test_great_numbers(self):
        """One that the JSON library refuses spoils its own request only."""
        call = b'{"id": %s, "method": "tools/call", "params": {"name": "types", ' \
               b'"arguments": {"limit": %s, "x\\"1e999": "\\\\"}}}'
        with Client(self.path("shop")) as client:
            for great in b"1" + b"0" * 30, b"-1" + b"0" * 30, b"1e999", b"-1.5E+999", \
                         b"9223372036854775808", b"1" * 100000:
                client.send(b"[" + call.replace(b', "x\\"1e999": "\\\\"', b"") % (b"5", great) +
                            b', {"id": 9007199254740993, "method": "ping"}, '
                            b'{"id": "1e999", "method": "ping"}]\n')
                one, other, text = client.answer()
                self.assertEqual((one["id"], one["error"]["code"]), (5, -32602), great[:40])
                self.assertIn("limit must be a whole number", one["error"]["message"])
                self.assertEqual((other["id"], text["id"]), (9007199254740993, "1e999"))
                client.send(call % (b"6", great) + b"\n")
                self.assertEqual(client.answer()["id"], 6)
                client.send(b'{"id": %s, "method": "ping"}\n' % great)
                self.assertIn("id must be text or a whole number of 64 bits",
                              client.answer()["error"]["message"])
            client.send(b'{"id": 1, "method": "tools/call", "params": '
                        b'{"name": "types", "arguments": [1]}}\n')
            self.assertEqual(client.answer()["error"]["message"], "arguments must be an object")

    def test_lists(self):
        """Each list that is cut says how to ask for the rest, which is got so; one that
        has no more says how many there were."""
        def rows(answer):
            return [line for line in answer.splitlines() if line.startswith("- ")]
        names = {"keeps_alive": "dominated", "refers_to": "referents",
                 "referred_to_by": "referrers"}
        with Client(self.path("later"), "--compare", self.path("shop")) as client:
            find = "SELECT address FROM object WHERE kind = '%s' AND snapshot = 1 ORDER BY %s DESC"
            for order in "length", "refcount":
                found = client.call("sql", query=find % ("dict", order), limit=1)
                address = re.search("address (0x[0-9a-f]+)", found).group(1)
                whole = client.call("object", address=address)
                self.assertIn("object:\n- address " + address, whole)
                for name, table in names.items():
                    total = int(re.search("- n ([0-9,]+)", client.call(
                        "sql", query="SELECT count(*) AS n FROM %s('%s') WHERE snapshot = 1"
                        % (table, address))).group(1).replace(",", ""))
                    shown = re.search(r"list=%s and offset=([1-5])\b" % name, whole)
                    self.assertTrue(shown or total <= 5, whole)
                    got, answer = [], "offset=0"
                    while offset := re.search(r"offset=(\d+)", answer):
                        answer = client.call("object", address=address, list=name,
                                             offset=int(offset.group(1)))
                        self.assertIn("- address " + address, answer)
                        got += rows(answer)[1:]
                        self.assertLess(len(got), total + 1)
                    self.assertEqual(len(got), total, name)
                    past = client.call("object", address=address, list=name, offset=total)
                    self.assertIn(": no more rows, there are %d\n" % total if total else
                                  ": none\n", past)
                past = client.call("object", address=address, offset=10**6)
                self.assertIn("object:\n- address " + address, past)
                self.assertEqual(past.count(": no more rows") + past.count(": none\n"), 3)
                past = client.call("paths", address=address, offset=100)
                self.assertRegex(past, r"no more rows, there are \d+\n")
                self.assertNotIn("no object", past)
            for name in "suspects", "types", "growth", "diff", "packages", "budget":
                n = len(rows(client.call(name, limit=1000, max_bytes=65536)))
                self.assertIn(": no more rows, there are %d\n" % n, client.call(name, offset=n))
                self.assertNotIn("compare", client.call(name, offset=n))
            for name in "overview", "threads":
                whole = client.call(name, limit=1)
                for more in re.findall(r"list=(\w+) and offset=1\n", whole):
                    self.assertEqual(len(rows(client.call(name, list=more, offset=1, limit=1))), 1)
            past = client.call("objects", type="shop.models.Session", offset=10**6)
            self.assertIn(": no more rows", past)
            self.assertNotIn("no instances", past)
            self.assertIn("no instances", client.call("objects", type="nope", offset=10**6))

    def test_values(self):
        query = "SELECT max(value) AS v FROM object WHERE kind = 'str'"
        with Client(self.path("shop")) as client:
            self.assertNotIn("- v ", client.call("sql", query=query))
            self.assertNotIn("value", client.call("sql", query="SELECT * FROM object"))
        with Client("--values", self.path("shop")) as client:
            self.assertIn("- v '", client.call("sql", query=query))

    def test_fence(self):
        """What is between the lines can't end them: their number is new each time."""
        with Client(self.path("hostile")) as client:
            texts = [client.call("types") for i in range(2)]
            for text in texts:
                begin, end = re.findall("(?m)^--- .* ([0-9a-f]{16}) ---$", text)
                self.assertEqual(begin, end)
            self.assertNotEqual(texts[0].splitlines()[0], texts[1].splitlines()[0])

    def test_bad_lines(self):
        with Client(self.path("shop")) as client:
            for line, code in ((b"{", -32700), (b"\xff\xfe", -32700), (b"nul \0 inside", -32700),
                               (b"[" * 5000, -32700), (b"[]", -32600), (b"7", -32600),
                               (b"null", -32600), (b"{}", -32600), (b'{"id": 5}', -32600),
                               (b'{"id": 1, "method": 5}', -32600),
                               (b"[" + b",".join([b"{}"] * 101) + b"]", -32600),
                               ("жж".encode() * 300, -32700),
                               (b'{"id": [], "method": "ping"}', -32600),
                               (b'{"id": 1, "id": 2, "method": "ping"}', -32700),
                               (b'{"id": 1, "method": "none"}', -32601),
                               (b'{"id": 1, "method": "tools/call"}', -32602),
                               (b'{"id": 1, "method": "tools/call", "params": 5}', -32602),
                               (b'"' + b"x" * 10000000 + b'"', -32600)):
                client.send(line + b"\n")
                self.assertEqual(client.answer()["error"]["code"], code, line[:50])
            client.send(b"null\n")
            self.assertEqual(client.answer()["error"]["message"],
                             "not a JSON-RPC request: that is an object")
            client.send(b'{"id": 1,\n')
            self.assertRegex(client.answer()["error"]["message"], "read, at column [0-9]+: ")
            for line in (b"", b"  ", b'{"method": "none"}', b'{"id": 1, "result": {}}',
                         b'[{"method": "none"}]'):
                client.send(line + b"\n")
            self.assertEqual(client.request("ping")["result"], {})
            client.send(b'{"jsonrpc": "2.0", "id": 9, "method": "ping"')   # no end
            client.proc.stdin.close()
            self.assertEqual(client.answer()["error"]["code"], -32700)
            self.assertEqual(client.proc.wait(timeout=300), 0)

    def test_batch(self):
        """Several requests in a line, as a client of version 2025-03-26 may send them."""
        with Client(self.path("shop")) as client:
            client.send(b'[{"id": 7, "method": "ping"}, {"method": "notifications/x"}, 8, '
                        b'{"id": "x", "method": "tools/list"}]\n')
            first, wrong, second = client.answer()
            self.assertEqual((first["id"], first["result"]), (7, {}))
            self.assertEqual((wrong["id"], wrong["error"]["code"]), (None, -32600))
            self.assertEqual((second["id"], len(second["result"]["tools"])), ("x", 14))

    def test_wide_row(self):
        """One row that is larger than an answer is cut, and the answer says so."""
        columns = ", ".join("hex(zeroblob(140)) AS a%d" % i for i in range(30))
        with Client(self.path("shop")) as client:
            self.assertIn("the row is cut", client.call("sql", query="SELECT " + columns))
            self.assertNotIn("is cut", client.call("sql", query="SELECT " + columns,
                                                   max_bytes=20000))

    def test_closed(self):
        client = Client(self.path("shop"))
        client.proc.stdout.close()
        try:
            for i in range(1000):
                client.send(b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n')
        except BrokenPipeError:
            pass
        self.assertEqual(client.proc.wait(timeout=300), 0)
        self.assertEqual(client.proc.stderr.read(), b"")
        client.proc.stderr.close()
        try:
            client.proc.stdin.close()
        except BrokenPipeError:
            pass


if __name__ == "__main__":
    main()
