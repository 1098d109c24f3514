/* SPDX-License-Identifier: MIT */
/*
 * debug_offsets - what the interpreter says of its own layout: struct
 * _Py_DebugOffsets, with which _PyRuntime begins since 3.13 (Include/internal/
 * pycore_debug_offsets.h; in 3.13 pycore_runtime.h).
 *
 * Its head is the same in all versions: "xdebugpy", a version, whether the build is
 * free-threaded, and of the runtime {size, finalizing, interpreters_head}, then of
 * the interpreter {size, ...}.  What follows differs, and is found by distances that
 * the structures prescribe.
 */
#ifndef PYMEM_AGENT_PYTHON_DEBUG_OFFSETS_H
#define PYMEM_AGENT_PYTHON_DEBUG_OFFSETS_H

#include "agent/python/cpython.h"

struct debug_offsets {
	uint64_t interpreters_head; /* in _PyRuntime */
	uint64_t interp_size;	    /* sizeof(PyInterpreterState) */
	uint64_t interp_next;	    /* ... where the next one's address is in it */
	/* in the interpreter's state: the pointer to its GIL, and a GIL of its own;
	 * found with the offsets of `locked` and `last_holder` inside of a GIL */
	uint64_t gil_pointer, gil_own;
};

/* False: there are none (before 3.13), or they are not understood. */
bool debug_offsets_read(const struct cpython *py, struct debug_offsets *ret);

/*
 * The same with the GIL's, given the main interpreter and where fields lie in a
 * GIL; false also without them.  For 3.12, which has no such struct, from what its
 * headers say.
 */
bool debug_offsets_gil(const struct cpython *py, uint64_t main, uint64_t locked,
		       uint64_t last_holder, struct debug_offsets *ret);

#endif
