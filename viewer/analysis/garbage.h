/* SPDX-License-Identifier: MIT */
/* garbage - the order of a depth-first search among objects nothing reaches. */
#ifndef PYMEM_VIEWER_ANALYSIS_GARBAGE_H
#define PYMEM_VIEWER_ANALYSIS_GARBAGE_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

/*
 * Objects o with parent[o] == HEAP_NONE, in the order in which a depth-first search
 * finishes them.  It starts at instances before other kinds, at those of the type that
 * has fewest of them first, lowest id first: of a cycle that nothing leads to, the node
 * that finishes last is then what there is one of (a document, not one of its elements),
 * and like cycles are entered at like objects.
 * Appends u32 to order. 0, -ENOMEM, -ECANCELED.
 */
int garbage_order(const struct heap *heap, const uint32_t *parent,
		  const struct progress *progress, struct vec *order);

#endif
