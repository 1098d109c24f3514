/* SPDX-License-Identifier: MIT */
/*
 * growth - objects by path signature: what can be compared between snapshots
 * although addresses are reused.
 *
 * The tree of shortest paths is merged: nodes that are reached by equal labels over
 * equal types are one signature.  Dict keys count as labels in namespaces and in
 * small dicts; indexes don't, nor the keys of a dict at a place where one is large, in
 * any of the snapshots that are compared: else one that passes the limit would be
 * another place with all that it has.  A linked list, whose steps
 * repeat (this one and its holder's as one to four steps above), is a few signatures,
 * not a million.  Each signature has a 64-bit hash of its labels' and types' text,
 * the same in every snapshot.  Native memory (native_node.h) is a
 * place below its owner's.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_GROWTH_H
#define PYMEM_VIEWER_ANALYSIS_GROWTH_H

#include "viewer/analysis/analysis.h"

#define GROWTH_SMALL_DICT 64u /* items: keys are labels up to here */
#define GROWTH_MAX_SIGNATURES (1u << 22)

struct signature {
	uint64_t hash;
	uint64_t count, size; /* objects, bytes of their own */
	uint64_t shallow;     /* what sys.getsizeof says of them */
	uint64_t total;	      /* bytes of these and of all signatures below */
	uint64_t label;	      /* hash of the last label */
	uint32_t parent;      /* index; the root's is itself, 0 */
	uint32_t type;	      /* type id */
	uint32_t example;     /* a node of it */
	uint16_t merged;      /* 1: the last label stands for any key or index */
	uint16_t keyed;	      /* 1: keys are labels of what a dict here holds */
};

struct growth {
	struct vec signature; /* struct signature; parents first; [0] = root */
	struct vec table;     /* u32 index + 1 by hash */
	bool truncated;	      /* too many: some objects count for their holder's
				 * signature */
};

/* Of so many snapshots, whose places are named alike; ret: one for each, to be freed each
 * with growth_free in any case. 0, -ENOMEM, -ECANCELED. */
int growth_build_all(const struct analysis *const *analysis, size_t count,
		     const struct progress *progress, struct growth *ret);
/* The same, but the keys of dicts are labels whatever the dict's size: those that a
 * program's text has, which are interned (CPython's compiler does that to constants that
 * look like names), and no others.  So no place has another name when there is more of
 * it. */
int growth_build_places(const struct analysis *analysis, const struct progress *progress,
			struct growth *ret);
void growth_free(struct growth *growth);
/* NULL: no such signature. */
const struct signature *growth_find(const struct growth *growth, uint64_t hash);

#endif
