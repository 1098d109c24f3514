"""The sources as the checks see them.

    tree.files(".c", ".h")     every source of the product and of its tests
    tree.product(".c", ".h")   without tests/
    tree.code(path)            its text with comments and literals blanked out: same
                               lines, same columns
    tree.comments(path)        its text with everything but comments blanked out
    tree.functions(paths)      (path, name, first line, last line, is static)
    tree.report(rows)          prints "path:line: what" and ends the check

A check is a script of its own: NAME.py, a CTest case checks.NAME, 77 = skipped.
"""
import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("agent", "formats", "loader", "viewer", "tests")


def files(*suffixes, rooms=ROOMS):
    """Sorted; nothing is built inside these folders, so all files there are sources."""
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*")
                  if path.suffix in suffixes and path.is_file())


def product(*suffixes):
    return files(*suffixes, rooms=ROOMS[:-1])


def name(path):
    return str(Path(path).relative_to(ROOT))


@functools.lru_cache(maxsize=None)
def text(path):
    return Path(path).read_text(encoding="utf-8")


TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*"
                   r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


def _blank(piece):
    return re.sub(r"[^\n\t]", " ", piece)


@functools.lru_cache(maxsize=None)
def code(path):
    return TOKEN.sub(lambda m: _blank(m.group()), text(path))


@functools.lru_cache(maxsize=None)
def comments(path):
    out, at, source = [], 0, text(path)
    for m in TOKEN.finditer(source):
        keep = m.group() if m.group()[0] == "/" else _blank(m.group())
        out += [_blank(source[at:m.start()]), keep]
        at = m.end()
    return "".join(out) + _blank(source[at:])


def line_of(source, offset):
    return source.count("\n", 0, offset) + 1


def need(*programs):
    """The first of these programs that is installed; else the check is skipped."""
    for program in programs:
        if shutil.which(program):
            return program
    print("skipped: %s is not installed" % programs[0])
    sys.exit(77)


def tags(paths, kinds):
    """What ctags says of these files, a dict a tag."""
    ctags = need("ctags")
    out = subprocess.run(
        [ctags, "-L", "-", "--language-force=C", "--c-kinds=" + kinds, "--fields=+neSZKf",
         "--output-format=json", "-f", "-"], cwd=ROOT, check=True, text=True,
        input="\n".join(name(p) for p in paths), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL).stdout
    return [json.loads(line) for line in out.splitlines()]


def functions(paths):
    return [(ROOT / t["path"], t["name"], t["line"], t.get("end", t["line"]),
             t.get("file", False)) for t in tags(paths, "f")]


def report(rows, remedy=""):
    for path, line, what in rows:
        print("%s:%d: %s" % (name(path), line, what))
    if rows and remedy:
        print(remedy)
    print("%d complaints" % len(rows))
    sys.exit(1 if rows else 0)
