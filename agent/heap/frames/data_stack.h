/* SPDX-License-Identifier: MIT */
/*
 * data_stack - the memory in which frames lie, since 3.11: chunks of 16 KiB and more that
 * lead to each other, from the arena allocator; one list for each thread state, and one
 * for each greenlet that is suspended.
 *
 * Three words, in the thread state or where greenlet saves them, tell of a list:
 *
 *	_PyStackChunk *chunk   top of the stack   its limit == chunk + chunk->size
 *
 * (Include/internal/pycore_frame.h, cpython/pystate.h: chunk {previous, size, top, data};
 * 3.11 to 3.15.)
 */
#ifndef PYMEM_AGENT_HEAP_FRAMES_DATA_STACK_H
#define PYMEM_AGENT_HEAP_FRAMES_DATA_STACK_H

#include "agent/heap/core/context.h"

enum { DATA_STACK_HEAD = 24 }; /* of a chunk, before its frames */

struct data_stack {
	uint64_t chunk,
		top; /* of the newest chunk: where it begins, where it is used to */
};

/* Whether the three words at `at` are that. */
bool data_stack_at(struct walk *w, uint64_t at, struct data_stack *ret);
/* The chunk before, and to where it is used; false: there is none, or it is damaged. */
bool data_stack_previous(struct walk *w, struct data_stack *stack);
/* Resident bytes of its chunk, from its begin: a stack is used from there on.  All of it
 * where the kernel didn't tell. */
uint64_t data_stack_resident(struct walk *w, const struct data_stack *stack);
/* Of all threads, as facts (frames.stack_*). */
void data_stack_facts(struct walk *w);

#endif
