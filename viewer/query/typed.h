/* SPDX-License-Identifier: MIT */
/*
 * typed - the objects of each type: for GROUP BY type, and for equality.
 *
 * Of each rank (indexed.h: types of one name) the objects ascend, so that little is kept
 * of each: how far it is from the one before, seven bits a byte; one byte and some for
 * an object where an array of numbers would take four.
 */
#ifndef PYMEM_VIEWER_QUERY_TYPED_H
#define PYMEM_VIEWER_QUERY_TYPED_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

struct typed {
	struct vec begin; /* u64 by rank, and the end: in gaps */
	struct vec count; /* u32 by rank: objects */
	struct vec gaps;
};

/* rank: of each class of the heap (heap.h), all below `ranks`.  0, -ENOMEM, -ECANCELED;
 * typed_free in any case. */
int typed_build(struct typed *typed, const struct heap *heap, const uint32_t *rank,
		uint32_t ranks, const struct progress *progress);
void typed_free(struct typed *typed);
static inline bool typed_is_built(const struct typed *typed)
{
	return typed->begin.size > 0;
}
/* Appends the objects of a rank to ret (u32).  0 or -ENOMEM. */
int typed_list(const struct typed *typed, uint32_t rank, struct vec *ret);

#endif
