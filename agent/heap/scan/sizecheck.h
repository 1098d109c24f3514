/* SPDX-License-Identifier: MIT */
/* sizecheck - our sizes against the interpreter's own answer. */
#ifndef PYMEM_AGENT_HEAP_SCAN_SIZECHECK_H
#define PYMEM_AGENT_HEAP_SCAN_SIZECHECK_H

#include "agent/heap/core/context.h"

/* Keeps an object; says in w->sample_skip how many to let pass until the next. */
void sizecheck_take(struct walk *w, struct walk_type *type, uint64_t obj, uint64_t size);
/* Asks about those kept: after all else, in the copy only. */
void sizecheck_run(struct walk *w);

#endif
