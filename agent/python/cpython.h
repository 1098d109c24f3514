/* SPDX-License-Identifier: MIT */
/*
 * cpython - struct cpython: the interpreter we are in, as the binding and the probes
 * found it.  The rooms of the walk read it; others use binding.h.
 *
 * Only this room asks what version it is.  What others need to know of a version is
 * a field of struct layout or of struct frame_layout, or a row that fields.h and
 * names_table.h choose.
 */
#ifndef PYMEM_AGENT_PYTHON_CPYTHON_H
#define PYMEM_AGENT_PYTHON_CPYTHON_H

#include "agent/python/binding.h"
#include "agent/python/layout.h"
#include "agent/python/symbols.h"

struct frame_layout;
struct interpreters_image;

struct cpython {
	uint32_t version;	/* 0x030b07 = 3.11.7 */
	uint32_t known;		/* the newest minor version that the tables are believed
				 * to know, 0 = all they have rows of; tests lower it */
	bool distrusted;	/* tests: its tables are there, but must be proven */
	uint32_t unexplained;	/* tests: enum layout_parts that no sample explains */
	char version_text[256]; /* Py_GetVersion() */
	bool probed;
	struct cpython_symbols sym;
	struct layout lay;
	const struct frame_layout *frames;	/* NULL = frames are not understood */
	const struct interpreters_image *image; /* PEEK_IMAGE only: interpreters.h */
};

/* Address of a data symbol or function as the walk uses addresses; 0 = not there. */
#define CPYTHON_ADDR(py, field) ((uint64_t)(uintptr_t)(py)->sym.field)

#endif
