/* SPDX-License-Identifier: MIT */
/*
 * dominators - Semi-NCA over the heap's graph.
 *
 * d dominates v when every path from the root to v goes through d; the nearest
 * such d is v's immediate dominator, and v would go if it went.  Semi-NCA
 * (Georgiadis; "Finding Dominators in Practice", JGAA 10(1), 2006) finds
 * semidominators like Lengauer and Tarjan's algorithm, then each immediate dominator
 * as the nearest common ancestor of the parent and the semidominator.  No
 * recursion: heaps hold linked lists of 10^8 links.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_DOMINATORS_H
#define PYMEM_VIEWER_ANALYSIS_DOMINATORS_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

/* The result, in preorder numbers of a depth-first search (0 = root). */
struct dominators {
	uint32_t count;	   /* nodes reached: all of the heap, after reach_run */
	struct vec vertex; /* u32: node of a number */
	struct vec idom;   /* u32: number of the immediate dominator, < own number;
				 * [0] = 0 */
};

/* 0, -ENOMEM, -EFBIG, -ECANCELED; ret is emptied on failure. Free with
 * dominators_free. */
int dominators_run(const struct heap *heap, const struct progress *progress,
		   struct dominators *ret);
void dominators_free(struct dominators *dominators);

#endif
