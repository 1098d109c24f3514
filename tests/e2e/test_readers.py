# ctest: labels=e2e;ptrace timeout=1800
# SPDX-License-Identifier: MIT
"""What readers that aren't ours make of the exports: go tool pprof, the protocol buffers'
compiler, speedscope's schema, DuckDB, memlab.  Opt-in: tests/run --readers."""
import gzip
import re

from harness import *

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


def manual_queries():
    """The statements of SUMMARY.md for DuckDB."""
    with open(os.path.join(ROOT, "viewer/fleet/SUMMARY.md")) as f:
        text = f.read().split("## DuckDB")[1].split("## ")[0]
    code = "\n".join(line for line in text.splitlines()
                     if line.startswith("    ") and not line.strip().startswith("--"))
    return [q.strip() for q in code.split(";") if q.strip()]


@unittest.skipUnless(os.environ.get("PYMEM_READERS"), "opt-in: tests/run --readers")
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

    def node(self, script, *args):
        folder = os.path.join(BUILD, "readers")
        path = os.path.join(folder, "script.js")
        with open(path, "w") as f:
            f.write(script)
        out = self.run_tool("node", "--max-old-space-size=8192", path, *args, cwd=folder)
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
        queries = manual_queries()
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

    def test_memlab(self):
        found = self.node(MEMLAB, self.file("b.heapsnapshot"))
        self.assertEqual(found["orders"], 4000)
        self.assertGreater(found["nodes"], self.overview["objects"])
        self.assertGreaterEqual(found["root"], self.overview["size"])


if __name__ == "__main__":
    main()
