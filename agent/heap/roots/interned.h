/* SPDX-License-Identifier: MIT */
/* interned - the tables of interned strings, whose references are not counted. */
#ifndef PYMEM_AGENT_HEAP_ROOTS_INTERNED_H
#define PYMEM_AGENT_HEAP_ROOTS_INTERNED_H

#include "agent/heap/core/context.h"

/* Is this dict the table of interned strings: every value is its own key? */
bool interned_is(struct walk *w, uint64_t dict);

/* Emits the root of the table of interned strings, once. */
void interned_emit(struct walk *w, uint64_t dict);

/* 3.12+: looks for it in the interpreter's state, or (3.12) the runtime's. */
void interned_find_in_state(struct walk *w, uint64_t start, uint64_t size);

#endif
