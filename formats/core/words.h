/* SPDX-License-Identifier: MIT */
/*
 * words - what exports and the viewer call the kinds of labels and of roots: one row a
 * kind, so that a new kind is named everywhere or nowhere.  Data only.
 */
#ifndef PYMEM_FORMATS_CORE_WORDS_H
#define PYMEM_FORMATS_CORE_WORDS_H

#include "formats/core/sink.h"

struct words_label {
	const char *kind;   /* in JSON lines; several kinds may share one */
	const char *before; /* in JSON lines, before the name, key or index */
	const char *edge;   /* in a .heapsnapshot when there's no name; NULL: none */
	const char *shown;  /* by the viewer, before the name; brackets are its own */
};

struct words_root {
	const char *kind; /* in JSON lines */
};

extern const struct words_label words_labels[SNAP_LABEL_KIND_COUNT];
extern const struct words_root words_roots[SNAP_ROOT_KIND_COUNT];

#endif
