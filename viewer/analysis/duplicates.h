/* SPDX-License-Identifier: MIT */
/*
 * duplicates - equal values stored more than once.
 *
 * str and bytes by content (the stored hash, or the text where it is whole),
 * tuples by their elements: the same objects, or equal scalars.  Objects of
 * different types are never equal.  What could be saved is all but the largest.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_DUPLICATES_H
#define PYMEM_VIEWER_ANALYSIS_DUPLICATES_H

#include "viewer/analysis/analysis.h"

struct duplicate {
	uint64_t count, size, wasted; /* bytes: of all, of all but the largest */
	uint32_t example, last;	      /* lowest id, highest */
};

/* Appends struct duplicate for every group of two or more, any order. Objects in static
 * memory are left out. 0, -ENOMEM, -ECANCELED. */
int duplicates_find(const struct heap *heap, const struct progress *progress,
		    struct vec *ret);
/* The same of strs alone, which takes a fraction of the time. */
int duplicates_find_strs(const struct heap *heap, const struct progress *progress,
			 struct vec *ret);

#endif
