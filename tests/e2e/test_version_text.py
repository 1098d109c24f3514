#!/usr/bin/env python3
# ctest: labels=e2e;ptrace cost=10
# SPDX-License-Identifier: MIT
"""The buffer of Py_GetVersion, which older versions write anew each time it is called: others
may read it at that moment."""
from preloadcase import *

MARK = BASE + """
import ctypes
get = ctypes.pythonapi.Py_GetVersion
get.restype = ctypes.c_void_p
at = get()
text = ctypes.string_at(at)
ctypes.memmove(at + len(text) - 1, b"#", 1)     # a call would take it away
marked = ctypes.string_at(at)
ready(); serve()
"""


class VersionText(PreloadCase):
    def test_nobody_writes_it(self):
        for python in interpreters():
            with self.subTest(python=python.name), \
                    Target(python, MARK, env=self.env("v-%p.pymem", PYMEM_SIGNAL=1)) as t:
                t.proc.send_signal(signal.SIGRTMIN + 5)
                path, = self.wait_files(pattern="v-%d.pymem" % t.pid)
                for how in "agent", "external":
                    done = run_load("-q", "--method=" + how, "-f", self.path("l.pymem"), t.pid)
                    self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(t.ask("marked[-1:] == b'#' and ctypes.string_at(at) == marked"))
                text = t.ask("marked.decode()")
                for found in path, self.path("l.pymem"):
                    rows = json.loads(run_view(
                        "--no-sidecar", "--format", "json", "--all", "--sql", "SELECT value "
                        "FROM fact WHERE key = 'python.build'", found).stdout)["rows"]
                    self.assertEqual({r["value"].split(")")[0] for r in rows},
                                     {text.split(")")[0]})


if __name__ == "__main__":
    main()
