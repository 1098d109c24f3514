# ctest: labels=e2e;ptrace;slow timeout=3600
# SPDX-License-Identifier: MIT
"""Captures of Debian sid's CPythons (3.14, 3.15, another glibc) from outside a
debootstrapped chroot: a container-like target with an own root, where the
agent's file is not visible and that has no /proc.  And of one that says it is a version
newer than any that the tables know.  Opt-in: tests/run --sid (PYMEM_SID=1).  The chroot
is kept in PYMEM_SID_ROOT (default: below the user's cache folder) between runs."""
import collections
import glob
import re

import test_subinterpreters
from harness import *

if os.environ.get("PYMEM_SID") != "1":
    skip_all("opt-in: tests/run --sid")
if os.geteuid() != 0:
    skip_all("debootstrap and chroot need root")
if not shutil.which("debootstrap"):
    skip_all("debootstrap is not installed")

CODE_SUB = test_subinterpreters.CODE
SID = os.environ.get("PYMEM_SID_ROOT") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pymem-sid")

CODE = r'''
import gc
class Foo:
    def __init__(self, i):
        self.number = i
        self.name = "foo-%d" % i
class Slotted:
    __slots__ = ("a", "b")
class Bag(dict):
    pass
keep = [Foo(i) for i in range(1000)]
slots = []
for i in range(100):
    s = Slotted(); s.a = i * 1000003; s.b = "b%d" % i; slots.append(s)
bags = [Bag(x=i) for i in range(10)]
def answers():
    seen, todo = {}, list(gc.get_objects())
    while todo:
        o = todo.pop()
        if id(o) in seen or o is seen or o is todo:
            continue
        seen[id(o)] = o
        todo.extend(gc.get_referents(o))
    out = {}
    for i, o in seen.items():
        t = type(o)
        out[str(i)] = [t.__module__ + "." + t.__qualname__, sys.getsizeof(o)]
    return out
ready()
serve()
'''


def make_root():
    if glob.glob(SID + "/usr/bin/python3.1[4-9]"):
        return
    os.makedirs(os.path.dirname(SID), exist_ok=True)
    packages = "python3"
    done = run(["debootstrap", "--variant=minbase", "--include=" + packages, "sid", SID],
               timeout=800)
    if done.returncode != 0:
        skip_all("debootstrap of sid failed: " + done.stdout.decode()[-300:])
    for version in ("3.13", "3.14", "3.15", "3.16"):
        run(["chroot", SID, "apt-get", "install", "-y", "-qq", "--no-install-recommends",
             "python" + version], timeout=300)


def pythons():
    return sorted(p for p in glob.glob(SID + "/usr/bin/python3.*")
                  if os.path.basename(p)[9:].isdigit())


def offset_in(path, symbol):
    """Where in a program's file a variable lies that it exports."""
    def lines(*options):
        return run(["readelf", "-W", *options, path]).stdout.decode().splitlines()
    at = [int(l.split()[1], 16) for l in lines("--dyn-syms") if l.split()[-1:] == [symbol]][0]
    for offset, start, _, size in (map(lambda word: int(word, 16), l.split()[1:5])
                                   for l in lines("-l") if l.split()[:1] == ["LOAD"]):
        if start <= at < start + size:
            return at - start + offset
    raise LookupError(symbol)


def write_newer(path, newer):
    """A copy of an interpreter that says, at all places, that it is the next minor version."""
    with open(path, "rb") as f:
        program = bytearray(f.read())
    at = offset_in(path, "Py_Version")
    was = bytes(program[at:at + 4])
    minor, micro = was[2], was[1]
    text = b"3.%d.%d" % (minor, micro)
    says = bytes([was[0], 0, minor + 1, 3])
    program[at:at + 4] = says
    program = bytes(program).replace(b"xdebugpy" + was, b"xdebugpy" + says)
    program = re.sub(re.escape(text) + rb"(?=[ \0])",
                     (b"3.%d." % (minor + 1)).ljust(len(text), b"0"), program)
    with open(newer, "wb") as f:
        f.write(program)
    os.chmod(newer, 0o755)


Inside = collections.namedtuple("Inside", "name")


class ChrootTarget(Target):
    """A target whose script lies inside the chroot."""

    def __init__(self, path, code, args=()):
        inside = "/" + os.path.relpath(path, SID)
        super().__init__(inside, code, args=args, prefix=["chroot", SID])

    def place(self):
        os.makedirs(SID + self.dir, exist_ok=True)
        shutil.copy(self.script, SID + self.script)

    def close(self):
        super().close()
        shutil.rmtree(SID + self.dir, ignore_errors=True)


class SidSubinterpreters(test_subinterpreters.Subinterpreters):
    """The same tests, on the interpreters in the chroot."""
    test_list_of_interpreters_locked_for_good = None    # preloads the agent: it isn't there

    def setUp(self):
        super().setUp()
        make_root()
        os.makedirs(SID + self.tmp)	# the same path inside and outside
        self.addCleanup(shutil.rmtree, SID + self.tmp, True)

    def path(self, name):
        inside = name.startswith(("out", "stop"))
        return os.path.join(SID + self.tmp if inside else self.tmp, name)

    def since(self, minor):
        return [Inside(path) for path in pythons()]

    def args(self, work, kind="own"):
        return [a[len(SID):] if a.startswith(SID) else a for a in super().args(work, kind)]

    def target(self, python, work, kind="own"):
        return ChrootTarget(python.name, CODE_SUB, args=self.args(work, kind))


class Sid(Case):
    def check(self, path):
        with ChrootTarget(path, CODE) as target:
            before = ProcState(target.pid)
            out = self.path("sid.pymem")
            done = run_load("-q", "-f", out, target.pid)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assert_untouched(before)
            lines = run_view(out, "--export", "jsonl", "-o", self.path("sid.jsonl"))
            self.assertEqual(lines.returncode, 0, lines.stderr.decode())
            objects = {}
            with open(self.path("sid.jsonl"), encoding="utf-8", errors="replace") as f:
                for line in f:
                    row = json.loads(line)
                    if "address" in row and "refs" in row:
                        objects[row["address"]] = row
            names = [o["type"] for o in objects.values()]
            self.assertEqual(names.count("__main__.Foo"), 1000)
            self.assertEqual(names.count("__main__.Slotted"), 100)
            self.assertEqual(names.count("__main__.Bag"), 10)
            wrong = []
            answers = target.ask("answers()")
            missing = 0
            for address, (kind, size) in answers.items():
                mine = objects.get(int(address))
                if mine is None:
                    missing += 1
                elif mine["type"] == kind and mine["size"] != size:
                    wrong.append((address, kind, size, mine["size"]))
            # answers() itself makes some hundred new objects; nothing else may be missing
            self.assertLess(missing, 400 + len(answers) // 100)
            self.assertLess(len(wrong), 20, wrong[:20])

    def check_external(self, path):
        with ChrootTarget(path, CODE) as target:
            before = ProcState(target.pid)
            done = run_load("-q", "--method=external", "-f", self.path("b.pymem"), target.pid)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assert_untouched(before)
            self.assert_counted(self.path("b.pymem"))

    def assert_counted(self, snapshot):
        rows = json.loads(run_view(snapshot, "--report", "types", "--type",
                                   "__main__.Foo", "--format", "json").stdout)
        self.assertEqual(rows["processes"][0]["rows"][0]["count"], 1000)

    def test_says_it_is_newer(self):
        """It is read by the newest tables as far as they are proven on it, whatever way it
        is captured; that, and what is left out, is said."""
        make_root()
        path = pythons()[-1]
        minor = int(path.rsplit(".", 1)[1])
        newer = SID + "/usr/bin/says-it-is-newer"
        write_newer(path, newer)
        self.addCleanup(os.unlink, newer)
        self.check(newer)
        self.check_external(newer)
        with ChrootTarget(newer, CODE) as target:
            done = run(["gcore", "-o", self.path("core"), str(target.pid)], timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            core = self.path("core.%d" % target.pid)
            done = run_load("-q", "-f", self.path("c.pymem"), "--sysroot", SID, "--core", core)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assert_counted(self.path("c.pymem"))
        for name in ("sid.pymem", "b.pymem", "c.pymem"):
            with self.subTest(snapshot=name):
                said = run_view(self.path(name), "--report", "overview").stdout.decode()
                self.assertIn("3.%d.0" % (minor + 1), said)
                self.assertIn("those of 3.%d, nothing was left out" % minor, said)
                self.assertIn("Self-check", said)
                said = run_view(self.path(name), "--report", "threads").stdout.decode()
                self.assertIn("serve", said)

    def test_each(self):
        make_root()
        found = pythons()
        print("sid:", found, flush=True)
        self.assertTrue(found)
        for path in found:
            with self.subTest(python=path):
                self.check(path)
                self.check_external(path)


if __name__ == "__main__":
    main()
