/* SPDX-License-Identifier: MIT */
/*
 * site - where an object was allocated, in a snapshot of a process that tracemalloc was
 * counting in (snap_site, snap_trace).
 *
 * heap->trace is sorted by domain and address.  An object was allocated with the block
 * of Python's own allocators (domain 0) that it lies in: at its start, or behind the
 * collector's header.  What was there before the tracing began lies in none.
 */
#ifndef PYMEM_VIEWER_MODEL_SITE_H
#define PYMEM_VIEWER_MODEL_SITE_H

#include "viewer/model/heap.h"

/* Sorts the traces that were loaded. */
void site_build(struct heap *heap);
/* Are the arrays of a file in order, each id below the number of sites? */
bool site_check(const struct heap *heap);

/* Sites there are; ids are 1 .. this. */
static inline uint32_t site_count(const struct heap *heap)
{
	return heap->site.size ? (uint32_t)VEC_COUNT(heap->site, struct snap_site) - 1 :
				 0;
}
static inline const struct snap_site *site_at(const struct heap *heap, uint32_t id)
{
	return &VEC(heap->site, struct snap_site)[id];
}

/* The site where a node was allocated; 0: not known. */
uint32_t site_of(const struct heap *heap, uint32_t node);

#endif
