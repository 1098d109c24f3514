/* SPDX-License-Identifier: MIT */
/*
 * queue - objects that were found and are to be written: a mark in a bitmap, and in
 * the depth-first passes (scan/sweep.h) a stack of those newly marked.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_QUEUE_H
#define PYMEM_AGENT_HEAP_CORE_QUEUE_H

#include "agent/heap/core/context.h"

/* Depth-first mode: remembers a newly marked object. */
void queue_push(struct walk *w, uint64_t addr);

/* Queues an address that the interpreter surely holds as an object. Cheap. */
static inline void queue_add(struct walk *w, uint64_t addr)
{
	if (marks_set(&w->marks, addr) && __builtin_expect(w->depth_first, 0))
		queue_push(w, addr);
}

#endif
