/* SPDX-License-Identifier: MIT */
/*
 * weight - what a node retains and is in memory: pages never touched weigh nothing.
 *
 * Each that lacks something is gone up from once, as far as nothing else went before, so
 * that a node's sum is whole before it is added to what dominates it.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_WEIGHT_H
#define PYMEM_VIEWER_ANALYSIS_WEIGHT_H

#include "viewer/analysis/analysis.h"

struct weights {
	struct analysis *a;
	const struct progress *progress;
	struct vec
		idle; /* u64 per node: bytes of what it retains that aren't in memory */
	struct vec
		order; /* u32: the last answer of weight_children that was sorted anew, */
	uint32_t ordered; /* of that node; HEAP_NONE: none */
};

/* Fills *w, which need not be initialised. 0 or -ENOMEM; weight_free in any case. */
int weight_find(struct weights *w, struct analysis *a, const struct progress *progress);
void weight_free(struct weights *w);

/* Bytes that a node retains and that are in memory. */
uint64_t weight_of(const struct weights *w, uint32_t node);
/* What a node dominates, heaviest first; valid until the next call. 0, -ENOMEM,
 * -ECANCELED. */
int weight_children(struct weights *w, uint32_t node, struct heap_span *ret);

#endif
