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
 * and PyArray_Descr, told apart by numpy.__version__:
 *
 *	numpy 1	    27 char flags   28 int type_num   32 int elsize   40 subarray
 *		    48 fields   56 names
 *	numpy 2	    28 int type_num   32 u64 flags   40 npy_intp elsize   88 subarray
 *		    96 fields   104 names
 *
 * subarray points to {base dtype, shape}.  Objects in elements are found by the dtype:
 * those of dtype object, and of records that have such fields.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_NUMPY_H
#define PYMEM_AGENT_HEAP_EXTENSION_NUMPY_H

#include "agent/heap/core/specialist.h"

extern const struct specialist numpy_specialists[];

#endif
