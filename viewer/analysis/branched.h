/* SPDX-License-Identifier: MIT */
/*
 * branched - trees of objects of one class, or of dicts, lists or tuples right in one
 * another: a few at the top, thousands below these (a DOM, an index, nested categories, a
 * trie), which a count of the top ones doesn't show.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_BRANCHED_H
#define PYMEM_VIEWER_ANALYSIS_BRANCHED_H

#include "viewer/analysis/analysis.h"

/*
 * The objects of a type (a namesake, heap.h) that `top` dominates, and itself if it is
 * one; 0 where they are no tree: `few`, of which top dominates directly so many, are most
 * of them, or the type is of another kind.  0, -ENOMEM, -ECANCELED.
 */
int branched_count(struct analysis *analysis, uint32_t top, uint32_t type, uint64_t few,
		   const struct progress *progress, uint64_t *ret);

#endif
