/* SPDX-License-Identifier: MIT */
/*
 * frame_layout - where frames, code, generators, functions and thread states
 * keep things, per version of CPython.
 *
 * One const row a minor version.  Readers check what they find (code must be
 * code, an instruction pointer must lie in its code), so that a build that differs
 * loses names or lines rather than telling wrong ones.
 *
 * Source: Include/{frameobject,cpython/frameobject,cpython/code,cpython/pystate,
 * cpython/genobject}.h and Include/internal/{pycore_frame,
 * pycore_interpframe_structs,pycore_debug_offsets}.h of 3.6 to 3.15.
 * Offsets of PyObject structs are those of a 16-byte object head; add
 * layout.head - 16 to them (TRACE_REFS).  _PyInterpreterFrame has no such head.
 */
#ifndef PYMEM_AGENT_PYTHON_FRAME_LAYOUT_H
#define PYMEM_AGENT_PYTHON_FRAME_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/python/lines.h"

struct cpython;

#define FRAME_NONE 0xffffu /* this version has no such field */

/* What a variable of a code object is: a byte of co_localspluskinds each, 3.11+
 * (Include/internal/pycore_code.h). */
enum { FRAME_KIND_LOCAL = 0x20, FRAME_KIND_CELL = 0x40, FRAME_KIND_FREE = 0x80 };

/* A named, owned object reference of the thread state. */
struct tstate_field {
	uint16_t offset;
	uint8_t kind; /* enum snap_root_kind */
	const char *name;
};

struct frame_layout {
	uint8_t minor;
	bool free_threaded;
	/* thread state */
	uint16_t ts_interp, ts_frame; /* ts_frame: PyFrameObject* (<= 3.10), _PyCFrame*
					 * (3.11, 3.12), _PyInterpreterFrame* (3.13+) */
	uint16_t ts_cframe_frame;     /* in _PyCFrame, if there is one */
	uint16_t ts_state; /* int: attached, detached, suspended; 0: there is a GIL */
	uint16_t ts_thread_id, ts_native_id, ts_exc_info, ts_size;
	const struct tstate_field *ts_fields; /* ends with a NULL name */
	/* the frame struct: PyFrameObject (<= 3.10), _PyInterpreterFrame (3.11+) */
	bool frame_is_object;
	uint16_t f_previous, f_code, f_func, f_locals, f_object, f_instr, f_stacktop;
	uint16_t f_owner, f_items;
	bool stack_depth; /* f_stacktop counts from there (3.10) */
	uint8_t owner_generator, owner_object;
	uint8_t owner_shim;  /* from this owner on: no Python frame */
	bool tagged;	     /* 3.14+: references carry tags in bits 0, 1 */
	bool stack_pointer;  /* f_stacktop is a pointer (<= 3.9, 3.14+) */
	uint8_t lasti_scale; /* f_instr is an index of units of so many bytes;
					 * 0: a pointer into the code */
	/* PyFrameObject */
	uint16_t fo_back, fo_frame, fo_trace, fo_extra, fo_cache, fo_overwritten, fo_data;
	/* ... of 3.6-3.10 only */
	uint16_t fo_builtins, fo_globals, fo_valuestack, fo_gen;
	uint16_t fo_excs; /* f_exc_*: 3.6 */
	/* code */
	uint16_t co_firstlineno, co_filename, co_name, co_qualname, co_lines;
	uint16_t
		co_argcount; /* int: the positional parameters, those with defaults too */
	uint16_t co_stacksize, co_nlocals, co_varnames, co_cellvars, co_freevars;
	uint16_t co_names, co_kinds, co_nplus;
	uint16_t co_code; /* the instructions (3.11+) */
	/* 3.14+ without a GIL: threads run copies of their own of the instructions: which
	 * one a frame's are, int; and the array {count, address of each} of a code */
	uint16_t f_copy, co_copies;
	enum line_format lines;
	/* generators, coroutines, asynchronous generators */
	uint16_t g_frame, g_code, g_name, g_qualname, g_exc, g_origin, g_state;
	uint16_t ag_finalizer;
	uint8_t exc_words; /* owned references of an _PyErr_StackItem */
	int8_t g_finished; /* frame state from which on there is no frame; 0:
					 * a cleared f_func says so (3.14+) */
};

/* The row of this interpreter, NULL when its version is unknown to us. */
const struct frame_layout *frame_layout_of(const struct cpython *py);

#endif
