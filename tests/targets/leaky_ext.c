/* SPDX-License-Identifier: MIT */
/*
 * leaky_ext - an extension module that forgets to give references back: each call
 * of leak(obj) takes one more, with nothing that could be found holding it.
 * keep(obj) holds one in a static variable, as many extensions do.  Built by the
 * tests with the headers of the interpreter that loads it.
 */
#include <Python.h>

static PyObject *kept;

static PyObject *leak(PyObject *self, PyObject *obj)
{
	(void)self;
	Py_INCREF(obj);
	Py_RETURN_NONE;
}

static PyObject *keep(PyObject *self, PyObject *obj)
{
	(void)self;
	Py_INCREF(obj);
	Py_XDECREF(kept);
	kept = obj;
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{ "leak", leak, METH_O, "Takes a reference to the argument and forgets it." },
	{ "keep", keep, METH_O, "Holds the argument in a static variable." },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "leaky_ext", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_leaky_ext(void);

PyMODINIT_FUNC PyInit_leaky_ext(void)
{
	return PyModule_Create(&module);
}
