/* SPDX-License-Identifier: MIT */
/*
 * stage - what a node has from its parent: how many steps it is from the root, which
 * object its path begins with, who holds it.
 *
 * Such a value is found by climbing.  So that no climb is long, every sixteenth node of
 * a path has its value kept, which is little: most objects are less deep than that, and
 * in a list of millions of links it is a quarter of a byte a node.  The first climbs do
 * without: one question needs no index.
 */
#ifndef PYMEM_VIEWER_QUERY_STAGE_H
#define PYMEM_VIEWER_QUERY_STAGE_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

enum stage_rule {
	STAGE_DEPTH, /* steps from the root */
	STAGE_TOP,   /* the object on its shortest path that a synthetic node holds */
	STAGE_HELD   /* the nearest synthetic node that dominates it */
};

enum { STAGE_RECENT = 256 };

struct stage {
	const struct heap *heap;
	const uint32_t *parent;
	enum stage_rule rule;
	struct vec kept;   /* u64: a bit for each node whose value is kept */
	struct vec before; /* u32 for each of 512 nodes: how many are kept before */
	struct vec value;  /* u32 in their order */
	uint64_t climbed;  /* steps without them */
	struct {
		uint32_t parent; /* plus 1; 0: none */
		uint32_t value;
	} recent[STAGE_RECENT]; /* of children, by parent, modulo: rows that lie side by
				 * side are often siblings */
};

/* parent: by node, HEAP_NONE at the top; it and heap must outlive the stage. */
void stage_init(struct stage *stage, const struct heap *heap, const uint32_t *parent,
		enum stage_rule rule);
void stage_free(struct stage *stage);
/* The value of a node: a number, or a node.  0, -ENOMEM, -ECANCELED. */
int stage_find(struct stage *stage, uint32_t node, const struct progress *progress,
	       uint32_t *ret);

#endif
