/* SPDX-License-Identifier: MIT */
/*
 * holders - what objects are and what holds them, by type: the dominator tree upside
 * down.
 *
 * Each object counts with its own size below its type, there below the type of what
 * dominates it, and so on up to HOLDERS_DEPTH steps or the group of roots; equal types
 * in a row (a linked list, nested dicts) are one step.  So the first level is the types
 * with their shallow sizes, and all sizes add up to the heap's.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_HOLDERS_H
#define PYMEM_VIEWER_ANALYSIS_HOLDERS_H

#include "viewer/analysis/analysis.h"

enum { HOLDERS_DEPTH = 6, HOLDERS_MAX = 1 << 19 };

struct holders {
	uint64_t size, count; /* bytes and objects */
	uint32_t parent;      /* index; the root's is itself, 0 */
	uint32_t type;	      /* type id; 0: synthetic, */
	uint32_t kind;	      /* ... of this enum heap_synth_kind */
};

/* Appends struct holders to ret, parents first, [0] = all.  More than HOLDERS_MAX are
 * not made: what is left counts for the step above.  0, -ENOMEM, -ECANCELED. */
int holders_build(const struct analysis *analysis, const struct progress *progress,
		  struct vec *ret);

#endif
