/* SPDX-License-Identifier: MIT */
/*
 * numpy - numpy.ndarray: its memory, and the objects in arrays of dtype object.
 *
 * The array type takes no part in garbage collection, so nobody but numpy itself
 * knows of the references it holds.  Layout: PyArrayObject_fields of
 * numpy/core/include/numpy/ndarraytypes.h, part of numpy's ABI since 1.7:
 *
 *	16 data   24 int nd   32 dimensions   40 strides   48 base   56 descr
 *	64 int flags
 *
 * and PyArray_Descr: 28 int type_num, then elsize: an int at 32 (numpy 1) or an
 * npy_intp at 40 (numpy 2), told apart by numpy.__version__.
 */
#ifndef PYMEM_AGENT_HEAP_NUMPY_H
#define PYMEM_AGENT_HEAP_NUMPY_H

#include <stdint.h>

struct walk;
struct walk_type;

/* A walk_object_fn: emits the buffer of an array. */
void numpy_native(struct walk *w, struct walk_type *type, uint64_t obj);

/* Makes type->edges report base, dtype and elements, after what it reported. */
void numpy_edges_hook(struct walk *w, struct walk_type *type);

#endif
