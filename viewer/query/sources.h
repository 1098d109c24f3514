/* SPDX-License-Identifier: MIT */
/*
 * sources - who refers to a node, of all nodes: some three bytes a reference.
 *
 * Targets are taken in blocks of 128.  A block's references stand in the order of their
 * sources: how far the source is from the one before (gap.h), then a byte that says
 * which of the block it leads to.  A question reads its block.
 */
#ifndef PYMEM_VIEWER_QUERY_SOURCES_H
#define PYMEM_VIEWER_QUERY_SOURCES_H

#include "viewer/analysis/progress.h"
#include "viewer/model/heap.h"

struct sources {
	struct vec begin; /* u64 by block, and the end: in bytes */
	struct vec bytes;
};

/* Weak references included.  0, -ENOMEM, -ECANCELED. */
int sources_build(struct sources *sources, const struct heap *heap,
		  const struct progress *progress);
void sources_free(struct sources *sources);
static inline bool sources_is_built(const struct sources *sources)
{
	return sources->begin.size > 0;
}
/* Appends the nodes that refer to a node, each once, to ret (u32).  0 or -ENOMEM. */
int sources_list(const struct sources *sources, uint32_t node, struct vec *ret);

#endif
