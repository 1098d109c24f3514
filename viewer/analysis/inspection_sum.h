/* SPDX-License-Identifier: MIT */
/* inspection_sum - what an inspection has counted so far. */
#ifndef PYMEM_VIEWER_ANALYSIS_INSPECTION_SUM_H
#define PYMEM_VIEWER_ANALYSIS_INSPECTION_SUM_H

#include <stdint.h>

struct inspection_sum {
	uint64_t count; /* of what the title names */
	uint64_t bytes;
	uint32_t worst; /* the node that has most of them, HEAP_NONE: none */
	uint64_t worst_bytes;
};

/* One more, that has so many bytes. */
static inline void inspection_sum_add(struct inspection_sum *sum, uint32_t node,
				      uint64_t bytes)
{
	sum->count++;
	sum->bytes += bytes;
	if (sum->count == 1 || bytes > sum->worst_bytes) {
		sum->worst = node;
		sum->worst_bytes = bytes;
	}
}

#endif
