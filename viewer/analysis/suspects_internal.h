/* SPDX-License-Identifier: MIT */
/* suspects_internal - the state of one search, for suspects and suspect_group only. */
#ifndef PYMEM_VIEWER_ANALYSIS_SUSPECTS_INTERNAL_H
#define PYMEM_VIEWER_ANALYSIS_SUSPECTS_INTERNAL_H

#include "viewer/analysis/suspects.h"
#include "viewer/analysis/weight.h"

/* A node that only the root, a group, a thread or a frame dominates. */
struct top_node {
	uint32_t node;
	bool taken; /* by a suspect */
	bool alone; /* no member of a group */
};

struct finder {
	struct analysis *a;
	const struct heap *heap;
	const struct progress *progress;
	uint64_t threshold; /* bytes */
	uint64_t minor;	    /* bytes */
	struct vec *ret;
	struct vec todo; /* u32 nodes to walk down from */
	struct vec tops; /* struct top_node, ascending */
	struct weights weights;
};

#endif
