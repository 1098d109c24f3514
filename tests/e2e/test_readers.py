# ctest: labels=e2e;ptrace timeout=1800
# SPDX-License-Identifier: MIT
"""What readers that aren't ours make of the exports: go tool pprof, the protocol buffers'
compiler, speedscope's schema, DuckDB, pandas, DevTools, memlab; and of the assistant's server
the protocol's own client.  Opt-in: tests/run --readers."""
import gzip
import re

from harness import *
from test_heapsnapshot import Graph

# From the field numbers of github.com/google/pprof/proto/profile.proto.
PROTO = """
syntax = "proto3";
package p;
message Profile {
  repeated ValueType sample_type = 1; repeated Sample sample = 2; repeated Mapping mapping = 3;
  repeated Location location = 4; repeated Function function = 5;
  repeated string string_table = 6; int64 drop_frames = 7; int64 keep_frames = 8;
  int64 time_nanos = 9; int64 duration_nanos = 10; ValueType period_type = 11;
  int64 period = 12; repeated int64 comment = 13; int64 default_sample_type = 14;
}
message ValueType { int64 type = 1; int64 unit = 2; }
message Sample {
  repeated uint64 location_id = 1; repeated int64 value = 2; repeated Label label = 3;
}
message Label { int64 key = 1; int64 str = 2; int64 num = 3; int64 num_unit = 4; }
message Mapping {
  uint64 id = 1; uint64 memory_start = 2; uint64 memory_limit = 3; uint64 file_offset = 4;
  int64 filename = 5; int64 build_id = 6; bool has_functions = 7; bool has_filenames = 8;
  bool has_line_numbers = 9; bool has_inline_frames = 10;
}
message Location {
  uint64 id = 1; uint64 mapping_id = 2; uint64 address = 3; repeated Line line = 4;
  bool is_folded = 5;
}
message Line { uint64 function_id = 1; int64 line = 2; }
message Function {
  uint64 id = 1; int64 name = 2; int64 system_name = 3; int64 filename = 4;
  int64 start_line = 5;
}
"""

CODE = r'''
class Order:
    def __init__(self, i): self.number = i
class Shop: pass
SHOP = Shop()
SHOP.orders = [Order(i) for i in range(3000)]
ready(); serve()
'''

MEMLAB = r'''
const {getFullHeapFromFile} = require("@memlab/heap-analysis");
(async () => {
  const heap = await getFullHeapFromFile(process.argv[2]);
  let orders = 0, nodes = 0, root = 0;
  heap.nodes.forEach(n => {
    nodes++; if (n.name === "__main__.Order" && n.type === "object") orders++;
    if (n.name === "(GC roots)") root = n.retainedSize;
  });
  console.log("RESULT " + JSON.stringify({orders, nodes, root}));
})();
'''

# Of Node 22, which the loader counts on, in it and in its workers.
NODE_22 = r'''
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((a, b) => { resolve = a; reject = b; });
  return {promise, resolve, reject};
};
'''

# DevTools' own loader, as its server for assistants uses it.
DEVTOOLS = r'''
import {HeapSnapshotManager} from
  "./node_modules/chrome-devtools-mcp/build/src/processors/HeapSnapshotManager.js";
const [before, after] = process.argv.slice(2), manager = new HeapSnapshotManager();
const {classDiffs} = await manager.getClassDiffs(before, after);
const {aggregates} = await manager.getAggregates(after);
const nodes = [];
for (const {id} of aggregates)
  for (const node of (await manager.getNodesById(after, id)).items)
    nodes.push([node.id, node.retainedSize]);
process.stdout.write("RESULT " + JSON.stringify({diffs: classDiffs, aggregates, nodes}) + "\n",
                     () => process.exit(0));
'''

# The protocol's own client: it checks every answer against the protocol's schemas.
CLIENT = r'''
import {Client} from "@modelcontextprotocol/sdk/client/index.js";
import {StdioClientTransport} from "@modelcontextprotocol/sdk/client/stdio.js";
const [command, pid, ...args] = process.argv.slice(2);
const client = new Client({name: "test", version: "1"});
await client.connect(new StdioClientTransport({command, args, cwd: args.at(-1) + ".d"}));
await client.ping();
const {tools} = await client.listTools(), answers = {};
const given = {objects: {type: "__main__.Order"}, sql: {query: "SELECT count(*) AS n FROM object"},
               capture: {pid: Number(pid)}, open: {file: args.at(-1)}};
let address = "";
for (const {name, inputSchema} of tools) {
  const takes = inputSchema.properties?.address ? {address} : {};
  const call = {name, arguments: given[name] ?? takes};
  const {content, isError} = await client.callTool(call);
  answers[name] = [!!isError, content[0].text];
  address = /address (0x[0-9a-f]+)/.exec(content[0].text)?.[1] ?? address;
}
let refused = "";
await client.request({method: "resources/list"}, (await import("zod")).z.any())
  .catch(error => { refused = error.message; });
await client.close();
console.log("RESULT " + JSON.stringify({server: client.getServerVersion(), answers, refused}));
'''

DUCKDB = r'''
const {DuckDBInstance} = require("@duckdb/node-api");
(async () => {
  const c = await (await DuckDBInstance.create(":memory:")).connect();
  const answers = [];
  for (const sql of JSON.parse(process.argv[2]))
    answers.push((await c.runAndReadAll(sql)).getRowsJson());
  console.log("RESULT " + JSON.stringify(answers));
})();
'''


CLICKHOUSE = r'''
const {Session} = require("chdb"), fs = require("fs");
const [create, settings, insert, ...queries] = JSON.parse(process.argv[2]);
const session = new Session();
for (const sql of ["CREATE DATABASE d ENGINE = Atomic", "USE d", create, ...settings])
  session.query(sql);
session.query(insert + " " + fs.readFileSync(0, "utf8"));
const answers = queries.map(sql => JSON.parse(session.query(sql, "JSONCompact")).data);
session.cleanup();
console.log("RESULT " + JSON.stringify(answers));
'''


def manual_text(program):
    """What SUMMARY.md has for it."""
    with open(os.path.join(ROOT, "viewer/fleet/SUMMARY.md")) as f:
        return f.read().split("## %s\n" % program)[1].split("## ")[0]


def manual_queries(program):
    """The statements of SUMMARY.md for it."""
    text = manual_text(program)
    code = "\n".join(line for line in text.splitlines()
                     if line.startswith("    ") and not line.strip().startswith("--"))
    return [q.strip() for q in code.split(";") if q.strip()]


@unittest.skipUnless(os.environ.get("PYMEM_TEST_READERS"), "opt-in: tests/run --readers")
class Readers(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = tempfile.mkdtemp(prefix="pymem-readers-")
        with Target(some_interpreters(1)[0], CODE) as target:
            for name in "a", "b":
                path = os.path.join(cls.made, name)
                assert run_load("-q", "-f", path, target.pid).returncode == 0
                for kind in "pprof", "speedscope", "collapsed", "summary", "heapsnapshot", "jsonl":
                    done = run_view("--no-sidecar", "--export", kind, "-o", path + "." + kind,
                                    path)
                    assert done.returncode == 0, done.stderr
                target.tell("SHOP.orders += [Order(i) for i in range(1000)]")
        done = run_view("--no-sidecar", "--report", "overview", "--format", "json",
                        os.path.join(cls.made, "b"))
        cls.overview = json.loads(done.stdout)["processes"][0]["rows"][0]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.made)
        super().tearDownClass()

    def file(self, name):
        return os.path.join(self.made, name)

    def run_tool(self, *argv, **kw):
        done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **kw)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def node(self, script, *args, kind="js", **kw):
        folder = os.path.join(BUILD, "readers")
        path = os.path.join(folder, "script." + kind)
        with open(path, "w") as f:
            f.write(script)
        with open(os.path.join(folder, "node_22.mjs"), "w") as f:
            f.write(NODE_22)
        before = ["--import", "./node_22.mjs"] if kind == "mjs" else []
        out = self.run_tool("node", "--max-old-space-size=8192", *before, path, *args, cwd=folder,
                            **kw)
        return json.loads(re.search(r"^RESULT (.*)$", out, re.M)[1])

    def test_pprof(self):
        top = self.run_tool("go", "tool", "pprof", "-top", "-sample_index=objects", "-nodecount",
                            2000, "-nodefraction=0", self.file("b.pprof"))
        rows = {line.split(None, 5)[5]: line.split(None, 5) for line in top.splitlines()
                if re.match(r" +\d+ ", line)}
        self.assertEqual(rows["<__main__.Order>"][0], "4000")
        self.assertGreaterEqual(int(rows["__main__.SHOP.orders"][3]), 4001)
        size = self.run_tool("go", "tool", "pprof", "-top", "-unit=B", "-sample_index=shallow",
                             self.file("b.pprof"))
        self.assertIn(" of %dB total" % self.overview["size"], size)
        traces = self.run_tool("go", "tool", "pprof", "-traces", self.file("b.pprof"))
        self.assertRegex(traces, r"<__main__\.Order>\n +__main__\.SHOP\.orders\[\*\]\n"
                                 r" +__main__\.SHOP\.orders\n")
        grown = self.run_tool("go", "tool", "pprof", "-top", "-sample_index=objects",
                              "-nodefraction=0", "-diff_base", self.file("a.pprof"),
                              self.file("b.pprof"))
        self.assertRegex(grown, r"(?m)^ +1000 .* <__main__\.Order>$")

    def test_protoc(self):
        with open(self.file("p.proto"), "w") as f:
            f.write(PROTO)
        with gzip.open(self.file("b.pprof")) as f:
            text = self.run_tool("protoc", "--decode=p.Profile", "p.proto", input=f.read(),
                                 cwd=self.made)
        self.assertEqual(re.findall(r"(?m)^ *\d+[:{ ].*", text), [])  # unknown fields
        self.assertGreater(text.count("\nsample {"), 50)
        self.assertIn('string_table: "__main__.SHOP.orders[*]"', text)

    def test_speedscope(self):
        import jsonschema
        with open(os.path.join(BUILD, "readers/node_modules/speedscope/dist/release",
                               "file-format-schema.json")) as f:
            schema = json.load(f)
        with open(self.file("b.speedscope")) as f:
            jsonschema.validate(json.load(f), schema)

    def test_duckdb(self):
        queries = manual_queries("DuckDB")
        self.assertGreaterEqual(len(queries), 3)
        queries[0] = queries[0].replace("*.summary", self.file("*.summary"))
        queries.append("SELECT count(*) FROM read_json_auto('%s', format='newline_delimited', "
                       "union_by_name=true, maximum_object_size=100000000, sample_size=-1)"
                       % self.file("b.jsonl"))
        answers = self.node(DUCKDB, json.dumps(queries))
        best = [row for row in answers[1] if row[2] == "__main__.SHOP.orders"]
        self.assertEqual(len(best), 1, answers[1])
        self.assertGreater(int(best[0][4]), 40000)
        self.assertEqual(int(answers[2][0][2]), 1)
        with open(self.file("b.jsonl"), "rb") as f:
            self.assertEqual(int(answers[3][0][0]), sum(1 for _ in f))

    def test_clickhouse(self):
        """As a client's command line has them: settings, and what is inserted."""
        create, *queries = manual_queries("ClickHouse")
        self.assertEqual(len(queries), 2)
        text = manual_text("ClickHouse")
        settings = ["SET %s = %s" % s for s in re.findall(r"client --(\w+)=(\w+)", text)]
        self.assertEqual(len(settings), 1)
        insert = re.search(r'--query "(INSERT .*?)"', text)[1]
        queries.append("SELECT pid, objects, types[1].type, length(places) FROM summary "
                       "ORDER BY time_ns")
        summaries = []
        for name in "ab":
            with open(self.file(name + ".summary")) as f:
                summaries.append(f.read())
        given = json.dumps([create, settings, insert] + queries)
        grown, memory, rows = self.node(CLICKHOUSE, given, input="".join(summaries).encode())
        (best,) = [row for row in grown if row[2] == "__main__.SHOP.orders"]
        self.assertGreater(int(best[4]), 40000)
        self.assertEqual(len(memory), 1)
        self.assertEqual(int(memory[0][2]), 1)
        last = json.loads(summaries[1])
        self.assertEqual([int(rows[1][0]), int(rows[1][1]), rows[1][2], int(rows[1][3])],
                         [last["pid"], last["objects"], last["types"][0]["type"],
                          len(last["places"])])

    def test_devtools(self):
        version = int(self.run_tool("node", "--version").lstrip("v").split(".")[0])
        if version < 20:
            self.skipTest("DevTools' loader needs Node 20, this is %d" % version)
        found = self.node(DEVTOOLS, self.file("a.heapsnapshot"), self.file("b.heapsnapshot"),
                          kind="mjs")
        (order,) = [d for d in found["diffs"] if d["className"] == "__main__.Order"]
        self.assertEqual((order["addedCount"], order["removedCount"]), (1000, 0))
        (order,) = [a for a in found["aggregates"] if a["className"] == "__main__.Order"]
        self.assertEqual(order["count"], 4000)
        graph = Graph(self.file("b.heapsnapshot"))
        ours = dict(zip(graph.id, graph.retained()))
        theirs = dict(found["nodes"])
        self.assertGreater(len(theirs), self.overview["objects"])
        self.assertEqual({i: (size, ours[i]) for i, size in theirs.items() if size != ours[i]}, {})
        answer = run_view("--no-sidecar", "--sql", "SELECT sum(size) AS n FROM object",
                             "--format", "json", self.file("b"))
        total = json.loads(answer.stdout)["rows"][0]["n"]
        self.assertGreaterEqual(sum(a["selfSize"] for a in found["aggregates"]), total)

    def test_protocol(self):
        os.mkdir(self.file("b.d"))
        with Target(some_interpreters(1)[0], CODE) as target:
            found = self.node(CLIENT, VIEW, target.pid, "--no-sidecar", "--mcp",
                              "--allow-capture", target.pid, self.file("b"), kind="mjs")
        self.assertEqual(found["server"]["name"], "pymem-view")
        self.assertEqual(len(found["answers"]), 15)
        self.assertEqual({n: t for n, (bad, t) in found["answers"].items() if bad}, {})
        self.assertIn("__main__.Order", found["answers"]["objects"][1])
        self.assertRegex(found["answers"]["capture"][1], "pid [0-9,]+; ")
        self.assertIn("no such method", found["refused"])

    def test_pandas(self):
        """The line of the README, as it stands there."""
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            line = re.search(r'python -c "(import pandas, sqlite3.*?)"\n', f.read(), re.S)[1]
        out = self.file("a.db")
        done = run_view("--no-sidecar", "--export", "sqlite", "-o", out, self.file("a"))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        shown = self.run_tool("/usr/bin/python3", "-c", re.sub(r"\n +", " ", line), cwd=self.made)
        self.assertRegex(shown, r"(?m)^\d+ +builtins\.str +\d+ +\d+$")

    def test_memlab(self):
        found = self.node(MEMLAB, self.file("b.heapsnapshot"))
        self.assertEqual(found["orders"], 4000)
        self.assertGreater(found["nodes"], self.overview["objects"])
        self.assertGreaterEqual(found["root"], self.overview["size"])


if __name__ == "__main__":
    main()
