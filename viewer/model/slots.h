/* SPDX-License-Identifier: MIT */
/*
 * slots - at which place among a large node's references one leads to a target.
 *
 * Every step of a path asks this; of a list of a million objects a search from the first
 * reference on makes the paths to all of them quadratic.  A node that is asked about for
 * the second time gets its slots sorted by target: 4 bytes a reference, at most
 * SLOTS_MOST in all, then they are made anew.
 *
 * Not for concurrent use.
 */
#ifndef PYMEM_VIEWER_MODEL_SLOTS_H
#define PYMEM_VIEWER_MODEL_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "viewer/model/vec.h"

enum {
	SLOTS_LARGE = 512,     /* references: of fewer each is looked at */
	SLOTS_MOST = 16 << 20, /* sorted references, unless one node has more */
};

struct slots {
	struct vec entry; /* struct slots_entry, by a hash of the node */
	struct vec order; /* u32: slots in the order of their targets, node by node */
	uint32_t used;	  /* entries */
};

/*
 * The first slot from `from` on that leads to the target, of a node's `count` references;
 * HEAP_NONE: there is none.  False: the node's slots aren't sorted (it is asked about for
 * the first time, or there is no memory), and *ret is as before.
 */
bool slots_find(struct slots *slots, uint32_t node, const uint32_t *target,
		uint32_t count, uint32_t from, uint32_t to, uint32_t *ret);
void slots_free(struct slots *slots);

#endif
