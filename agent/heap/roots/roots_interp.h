/* SPDX-License-Identifier: MIT */
/* roots_interp - what the state of one interpreter holds, by name where it is known. */
#ifndef PYMEM_AGENT_HEAP_ROOTS_ROOTS_INTERP_H
#define PYMEM_AGENT_HEAP_ROOTS_ROOTS_INTERP_H

#include "agent/heap/core/interps.h"

/* Finds sys.modules. */
void roots_interp_find(struct walk *w, struct interp *interp);
/* Emits the interpreter's own roots. */
void roots_interp_emit(struct walk *w, const struct interp *interp);

/* Is the word at `at` (an object) in an array of free objects? The array does not go
 * beyond [start, end). */
bool roots_interp_is_freelist(struct walk *w, uint64_t at, uint64_t start, uint64_t end);

#endif
