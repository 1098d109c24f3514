/* SPDX-License-Identifier: MIT */
/*
 * crowd - which of many objects a holder has: those that it refers to itself, and those
 * whose shortest path goes through it (what holder.h found it by).
 */
#ifndef PYMEM_VIEWER_ANALYSIS_CROWD_H
#define PYMEM_VIEWER_ANALYSIS_CROWD_H

#include "viewer/analysis/analysis.h"

struct crowd {
	const struct analysis *a;
	uint32_t holder;
	struct vec held; /* bit per object: the holder refers to it */
};

/* Zero the crowd first; the analysis must outlive it. 0 or -ENOMEM; crowd_end in any
 * case. */
int crowd_begin(struct crowd *crowd, const struct analysis *analysis, uint32_t holder);
bool crowd_has(const struct crowd *crowd, uint32_t node);
void crowd_end(struct crowd *crowd);

#endif
