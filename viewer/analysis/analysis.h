/* SPDX-License-Identifier: MIT */
/*
 * analysis - what follows from the object graph: who keeps what alive.
 *
 * analysis_run does, over the arrays of a heap, in this order:
 *	reach      breadth-first search from the known roots; what they don't reach is put
 *	           under (immortal), (C code we can't see into) or (unreachable garbage);
 *	           gives each object its shortest path to a root (bfs_parent)
 *	dominators Semi-NCA on preorder numbers (dominators.h): idom
 *	retained   bytes and objects that would go if a node went
 *	types      the same for all instances of a type, each byte counted once
 * Weak references hold nothing and take no part.  Native memory (native_node.h) is
 * retained by its owner, or by what dominates all its owners.  Nothing recurses.
 * Memory is taken in mappings and given back between the phases.
 *
 * Dominator children are built when first asked for, referrers each time
 * (analysis_children, analysis_referrers): the only functions here that change
 * an analysis after analysis_run, so call them from one thread.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_ANALYSIS_H
#define PYMEM_VIEWER_ANALYSIS_ANALYSIS_H

#include <stdint.h>

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

struct analysis_type {
	uint64_t retained; /* sum of its instances' retained bytes, each byte once; what
			    * two instances hold together is not in it */
	uint64_t retained_count; /* the same in objects, the instances included */
};

struct analysis {
	const struct heap *heap;
	struct vec bfs_parent; /* u32 per node: holder on a shortest path from the root;
				 * root: NONE */
	struct vec idom;       /* u32 per node: immediate dominator; root: HEAP_NONE */
	struct vec retained;   /* u64 per node, bytes, its own included */
	struct vec retained_count; /* u32 per node, objects, itself included */
	struct vec type;	   /* struct analysis_type per type id */
	/* made on demand */
	struct vec child_row, child; /* dominator tree: u32 row per node + 1, u32 nodes,
				      * largest retained first */
	struct vec sorted;	     /* bit per node: its children are in order
					 * already */
	struct vec referrer;	     /* u32: answer of the last analysis_referrers */
	void *kept;		     /* what name/waypoint.h keeps of it; NULL: nothing */
	void (*forget)(void *kept);  /* frees that */
};

/*
 * Runs the whole analysis. heap gets its last root groups (heap_adopt) and
 * must outlive the result. Returns 0, -ENOMEM or -ECANCELED; *ret is written
 * only on success. Free with analysis_destroy.
 */
int analysis_run(struct heap *heap, const struct progress *progress,
		 struct analysis **ret);
void analysis_destroy(struct analysis *analysis); /* NULL is fine */

static inline uint32_t analysis_idom(const struct analysis *a, uint32_t node)
{
	return VEC(a->idom, uint32_t)[node];
}
static inline uint32_t analysis_parent(const struct analysis *a, uint32_t node)
{
	return VEC(a->bfs_parent, uint32_t)[node];
}
static inline uint64_t analysis_retained(const struct analysis *a, uint32_t node)
{
	return VEC(a->retained, uint64_t)[node];
}
/* Bytes of all that there is: what shares are of. */
static inline uint64_t analysis_total(const struct analysis *a)
{
	return analysis_retained(a, heap_root(a->heap));
}
static inline uint32_t analysis_retained_count(const struct analysis *a, uint32_t node)
{
	return VEC(a->retained_count, uint32_t)[node];
}

/* Nodes immediately dominated by node, largest retained first. 0, -ENOMEM, -ECANCELED. */
int analysis_children(struct analysis *analysis, uint32_t node,
		      const struct progress *progress, struct heap_span *ret);
/* Objects and synthetic nodes that refer to node, each once, ascending id; weak ones and
 * instances of a type included. One pass over all edges (10 ms per 10 million objects),
 * so nothing is kept for it; the span is valid until the next call. 0, -ENOMEM,
 * -ECANCELED. */
int analysis_referrers(struct analysis *analysis, uint32_t node,
		       const struct progress *progress, struct heap_span *ret);
/* Whether `above` is among the first 64 dominators of a node. */
bool analysis_is_below(const struct analysis *analysis, uint32_t node, uint32_t above);
/* Steps from the root in the dominator tree. */
uint32_t analysis_depth(const struct analysis *analysis, uint32_t node);
/*
 * Shortest path from the root to node: nodes_ret[0] = the group below the
 * virtual root, ..., last = node. Returns the full length (which may exceed
 * capacity: then only the last `capacity` nodes are stored).
 */
uint32_t analysis_path(const struct analysis *analysis, uint32_t node,
		       uint32_t *nodes_ret, uint32_t capacity);

#endif
