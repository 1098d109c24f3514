/* SPDX-License-Identifier: MIT */
/* garbage - the order of a depth-first search among objects nothing reaches. */
#ifndef PYMEM_VIEWER_ANALYSIS_GARBAGE_H
#define PYMEM_VIEWER_ANALYSIS_GARBAGE_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

/*
 * Objects o with parent[o] == HEAP_NONE, in the order in which a depth-first
 * search finishes them; it starts at instances before other kinds, lowest id first.
 * Appends u32 to order. 0, -ENOMEM, -ECANCELED.
 */
int garbage_order(const struct heap *heap, const uint32_t *parent,
		  const struct progress *progress, struct vec *order);

#endif
