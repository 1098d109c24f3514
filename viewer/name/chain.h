/* SPDX-License-Identifier: MIT */
/*
 * chain - linked lists in the dominator tree: each node keeps the next one alive.
 *
 * Nodes of one type follow each other, each with nearly all that the one before it has,
 * or less by no more than those before it lost; directly (Node.next), or by one or two
 * others that are the same at each step (Node.__dict__['next']).  A chain is one thing in
 * every view: what hangs beside its links and at its end is what it keeps alive.
 */
#ifndef PYMEM_VIEWER_NAME_CHAIN_H
#define PYMEM_VIEWER_NAME_CHAIN_H

#include "viewer/analysis/analysis.h"

enum { CHAIN_LEAST = 5 /* links, the first included; fewer are no chain */ };

struct chain {
	uint32_t links;	 /* 0: there is none */
	uint32_t period; /* nodes from one link to the next */
};

/* The chain that begins at a node. 0, -ENOMEM, -ECANCELED. */
int chain_find(struct analysis *analysis, uint32_t node, const struct progress *progress,
	       struct chain *ret);
/* Appends (u32) the nodes of a chain that chain_find found, between links too, from its
 * first to its last link. */
int chain_nodes(struct analysis *analysis, uint32_t node, const struct chain *chain,
		const struct progress *progress, struct vec *ret);
/* Appends (u32) what hangs beside the links and at the end, each link's by itself. */
int chain_hangs(struct analysis *analysis, uint32_t node, const struct chain *chain,
		const struct progress *progress, struct vec *ret);

#endif
