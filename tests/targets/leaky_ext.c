/* SPDX-License-Identifier: MIT */
/*
 * leaky_ext - an extension module that forgets to give references back: each call
 * of leak(obj) takes one more, with nothing that could be found holding it.
 * keep(obj) holds one in a static variable, as many extensions do; keep_text(text) has
 * the address of its characters there, as numpy has of docstrings; box(obj) gives an
 * object that holds one in a field, of a type that takes no part in garbage collection.
 * Built by the tests with the headers of the interpreter that loads it.
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

static const char *volatile kept_text;

static PyObject *keep_text(PyObject *self, PyObject *text)
{
	(void)self;
	Py_INCREF(text);
	kept_text = PyUnicode_AsUTF8(text);
	Py_RETURN_NONE;
}

struct box {
	PyObject_HEAD long number;
	PyObject *item;
};

static void box_free(PyObject *self)
{
	Py_XDECREF(((struct box *)self)->item);
	PyObject_Free(self);
}

static PyTypeObject box_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "leaky_ext.Box",
	.tp_basicsize = sizeof(struct box),
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_dealloc = box_free,
};

static PyObject *box(PyObject *self, PyObject *obj)
{
	struct box *new = PyObject_New(struct box, &box_type);

	(void)self;
	if (new) {
		Py_INCREF(obj);
		new->number = 1;
		new->item = obj;
	}
	return (PyObject *)new;
}

static PyMethodDef methods[] = {
	{ "leak", leak, METH_O, "Takes a reference to the argument and forgets it." },
	{ "keep", keep, METH_O, "Holds the argument in a static variable." },
	{ "keep_text", keep_text, METH_O, "Holds a text by its characters." },
	{ "box", box, METH_O, "An object that holds the argument in a field." },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, "leaky_ext", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_leaky_ext(void);

PyMODINIT_FUNC PyInit_leaky_ext(void)
{
	if (PyType_Ready(&box_type) < 0)
		return NULL;
	return PyModule_Create(&module);
}
