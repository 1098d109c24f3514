# ctest: labels=e2e;ptrace cost=21
# SPDX-License-Identifier: MIT
"""Types of C extensions whose tp_traverse crashes or hangs the copy: the target goes
on, and pymem-load walks again without their references.  A frozen copy in the middle of a
collection: it makes another."""
import json
import subprocess

from harness import *

EXTENSION = r'''
#include <Python.h>
#include <stdlib.h>
#include <unistd.h>
/* Misbehaves in a copy only: the collector of the target itself must be able to run. */
static pid_t home;
static int segv(PyObject *self, visitproc visit, void *arg)
{
	if (getpid() != home)
		*(volatile int *)8 = 1;
	return 0;
}
static int stop(PyObject *self, visitproc visit, void *arg)
{
	if (getpid() != home)
		abort();
	return 0;
}
static int hang(PyObject *self, visitproc visit, void *arg)
{
	while (getpid() != home)
		__asm__ volatile("");
	return 0;
}
#define TYPE(name, how) static PyTypeObject name = { \
	PyVarObject_HEAD_INIT(NULL, 0) .tp_name = "badext." #name, \
	.tp_basicsize = sizeof(PyObject), .tp_new = PyType_GenericNew, \
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, .tp_traverse = how }
TYPE(Segv, segv);
TYPE(Abort, stop);
TYPE(Hang, hang);
static struct PyModuleDef def = { PyModuleDef_HEAD_INIT, "badext", NULL, -1 };
PyMODINIT_FUNC PyInit_badext(void)
{
	PyTypeObject *types[] = { &Segv, &Abort, &Hang };
	PyObject *m = PyModule_Create(&def);
	home = getpid();
	for (int i = 0; m && i < 3; i++) {
		if (PyType_Ready(types[i]) < 0)
			return NULL;
		Py_INCREF(types[i]);
		PyModule_AddObject(m, types[i]->tp_name + 7, (PyObject *)types[i]);
	}
	return m;
}
'''

CODE = """
sys.path.insert(0, sys.argv[1])
import badext
BAD = [getattr(badext, name)() for name in sys.argv[2:]]
FINE = [{i: str(i)} for i in range(3000)]
ready()
serve()
"""


COLLECTS = r"""
import gc, select, time
KEPT = [[i] for i in range(1000000)]  # a collection outlasts the loader's patience
ready()
while not select.select([_r], [], [], 0)[0]:
    began = time.monotonic()
    gc.collect()
    time.sleep(2 * (time.monotonic() - began))
serve()
"""


class Moments(Case):
    def test_collections(self):
        """Until some copies have shown the middle of one."""
        retries = captures = 0
        with Target(some_interpreters()[-1], COLLECTS) as t:
            while retries < 2:
                done = run_load("--json", "-q", "--method=external", "-f",
                                self.path("m.pymem"), t.pid)
                (snap,) = json.loads(done.stdout)["snapshots"]
                self.assertEqual(snap["status"], "complete", done.stderr)
                retries += snap["retries"]
                captures += 1
                self.assertLess(captures, 500, "no copy in the middle of a collection")
            self.assertTrue(t.alive)


class Retry(Case):
    def setUp(self):
        super().setUp()
        pythons = [p for p in some_interpreters() if p.has_headers]
        if not pythons:
            self.skipTest("no interpreter with headers")
        self.python = pythons[-1]
        with open(self.path("badext.c"), "w") as f:
            f.write(EXTENSION)
        subprocess.run(["cc", "-shared", "-fPIC", "-w", "-I" + self.python.include, "-o",
                        self.path("badext.so"), self.path("badext.c")], check=True)

    def capture(self, names, *args):
        with Target(self.python, CODE, [self.tmp] + names) as t:
            before = ProcState(t.pid)
            done = run_load("--json", "-f", self.path("r.pymem"), *(list(args) + [t.pid]))
            self.assert_untouched(before)
            self.assertEqual(t.ask("len(FINE)"), 3000)
            self.assertEqual(t.ask("__import__('gc').collect() >= 0"), True)
        (snap,) = json.loads(done.stdout)["snapshots"]
        return done, snap

    def test_one_type(self):
        done, snap = self.capture(["Segv"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((snap["status"], snap["retries"], snap["skipped_types"]),
                         ("complete", 1, "badext.Segv"))
        shown = run_view("--report", "types", "--type", "badext.Segv", "--format", "json",
                         self.path("r.pymem"))
        (row,) = json.loads(shown.stdout)["processes"][0]["rows"]
        self.assertEqual((row["type"], row["count"]), ("badext.Segv", 1))

    def test_two_types(self):
        done, snap = self.capture(["Segv", "Abort"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((snap["status"], snap["retries"]), ("complete", 2))
        self.assertEqual(set(snap["skipped_types"].split(", ")), {"badext.Segv", "badext.Abort"})

    def test_hang(self):
        done, snap = self.capture(["Hang"], "--timeout", "6")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((snap["status"], snap["skipped_types"]), ("complete", "badext.Hang"))

    def test_frozen_copy(self):
        done, snap = self.capture(["Segv"], "--method=external")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((snap["status"], snap["method"], snap["skipped_types"]),
                         ("complete", "external", "badext.Segv"))


if __name__ == "__main__":
    main()
