"""Every text that isn't ours goes through one escape function where it is put out: no
object file of loader, viewer and formats calls printf, puts, fwrite... by itself, only
formats/text/print (which escapes every string) and formats/export/json (which escapes by JSON's
rules); and one file puts cells on the screen.  Looked for in the object files, where no
macro and no alias of a name can hide a call."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import tree

ROOT = str(tree.ROOT)
BUILD = os.environ.get("PYMEM_BUILD") or os.path.join(ROOT, "build")

# What writes formatted or raw text to a stream, under all names the compiler gives it.
STREAM = re.compile(r"^(__)?(v?[fd]?w?printf|fputw?[sc]|puts|putw?c|putw?char|fwrite|perror"
                    r"|psignal|psiginfo|v?errx?|v?warnx?|error|error_at_line|v?syslog"
                    r"|_IO_putc|overflow|woverflow)(_chk|_unlocked|64)?$")
SCREEN = re.compile(r"^(mv)?w?(add|ins)_?n?w?(ch|str|wch|wstr|chstr|wchstr|chnstr|nstr)$"
                    r"|^(mv)?w?printw$|^vw_?printw$|^putp$|^tputs$|^w?echochar$")
# Who may: print escapes strings, json.c writes JSON; compressed bytes are no text;
# written passes on what those wrote.
MAY = {"print.c.o", "json.c.o", "gzip.c.o", "written.c.o"}
FOLDERS = ("formats/CMakeFiles/pymem_formats.dir", "loader/CMakeFiles",
           "viewer/CMakeFiles")


def imports(paths):
    """{path: names it leaves undefined}"""
    out = subprocess.run(["nm", "-A", "-u", *paths], stdout=subprocess.PIPE, check=True)
    found = {path: [] for path in paths}
    for line in out.stdout.decode().splitlines():
        path, name = re.match(r"(.*):\s+[Uw] (\S+)$", line).groups()
        found[path].append(name.split("@")[0])
    return found


def objects():
    for folder in FOLDERS:
        for top, _, names in os.walk(os.path.join(BUILD, folder)):
            for name in names:
                path = os.path.join(top, name)
                source = os.path.join(ROOT, folder.split("/")[0],
                                      path.split(".dir/", 1)[-1][:-2])
                # A renamed source's object may have been left behind.
                if name.endswith(".c.o") and os.path.exists(source):
                    yield path


class Print(unittest.TestCase):
    def test_only_print_writes_to_streams(self):
        called = imports(list(objects()))
        self.assertGreater(len(called), 100)
        found = {os.path.relpath(path, BUILD): calls for path, names in called.items()
                 if os.path.basename(path) not in MAY
                 and (calls := list(filter(STREAM.match, names)))}
        self.assertEqual(found, {}, "use formats/text/print.h instead")

    def test_one_file_puts_cells_on_the_screen(self):
        users = [os.path.basename(path) for path, names in imports(list(objects())).items()
                 if any(map(SCREEN.match, names))]
        self.assertEqual(users, ["terminal_curses.c.o"])

    def test_nobody_writes_to_the_terminal_by_number(self):
        """write(2) to a descriptor of the user's: its text would be nobody's to check."""
        number = re.compile(r"\b(?:p?writev?|send|sendto|sendfile|output_write)\s*\(\s*"
                            r"(?:STD(?:OUT|ERR)_FILENO|[12]|fileno\()")
        for part in ("formats", "loader", "viewer"):
            for top, _, names in os.walk(os.path.join(ROOT, part)):
                for name in names:
                    if name.endswith((".c", ".h")):
                        path = os.path.join(top, name)
                        with open(path, encoding="utf-8") as f:
                            self.assertIsNone(number.search(f.read()), path)

    def test_the_check_sees_such_calls(self):
        """What the first test would miss, it would miss here."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        calls = {'fprintf(stderr, "%s", s)', 'printf("%s\\n", s)', 'puts(s)',
                 'fputs(s, stderr)', 'putc(*s, stderr)', 'perror(s)',
                 'vfprintf(stderr, s, *(va_list *)v)', 'fwrite(s, 1, 2, stderr)',
                 'putc_unlocked(*s, stderr)', 'dprintf(2, "%s", s)', 'warnx("%s", s)',
                 'err(1, "%s", s)', 'psignal(1, s)'}
        with tempfile.TemporaryDirectory() as folder:
            for call in sorted(calls):
                for extra in ([], ["-D_FORTIFY_SOURCE=2"]):
                    source = os.path.join(folder, "a.c")
                    with open(source, "w", encoding="ascii") as f:
                        f.write("#include <err.h>\n#include <signal.h>\n#include <stdarg.h>"
                                "\n#include <stdio.h>\n"
                                "void f(const char *s, void *v);\n"
                                "void f(const char *s, void *v) { (void)v; %s; }\n" % call)
                    subprocess.run([compiler, "-w", "-O2", *extra, "-c", "a.c"],
                                   cwd=folder, check=True)
                    path = os.path.join(folder, "a.o")
                    names = imports([path])[path]
                    self.assertTrue(any(map(STREAM.match, names)), (call, names))


if __name__ == "__main__":
    sys.exit(unittest.main())
