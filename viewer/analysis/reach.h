/* SPDX-License-Identifier: MIT */
/*
 * reach - breadth-first search from the roots; the homeless get a group.
 *
 * Noisy holders come last: a node that can be reached without going through
 * interpreter fields, static types, C statics, interned strings, frame and
 * traceback objects, a thread's hooks or an instance's type edge gets a path without
 * them.
 *
 * What the known roots don't reach is put, in this order, under
 *	(immortal)
 *		never freed, held by nobody we know
 *	(C code we can't see into)
 *		its refcount is higher than the references found: somebody's C code holds
 *		it
 *	(unreachable garbage)
 *		the rest: what no other unreached object leads to, and one object, an
 *		instance if there is one, of each cycle nothing leads to
 */
#ifndef PYMEM_VIEWER_ANALYSIS_REACH_H
#define PYMEM_VIEWER_ANALYSIS_REACH_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

/* Fills parent (empty vec -> u32 per node; root: HEAP_NONE, every other node: its holder
 * on a shortest path). Finds the members of the last three groups anew (heap_adopt). 0,
 * -ENOMEM, -ECANCELED. */
int reach_run(struct heap *heap, const struct progress *progress, struct vec *parent);

/* Whether a frame's node runs code of the standard library: its variables are seldom what
 * a reader knows an object by. */
bool reach_is_library(const struct heap *heap, uint32_t frame_node);

#endif
