/* SPDX-License-Identifier: MIT */
/*
 * holder - who holds a crowd: the deepest node that 80 % of the shortest paths to its
 * members go through.
 *
 *	sample_begin, sample_add for some members, sample_deepest, sample_end
 *
 * Some thousand members are enough: only nodes that many share count.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_HOLDER_H
#define PYMEM_VIEWER_ANALYSIS_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "viewer/analysis/analysis.h"

struct sample {
	struct vec table; /* nodes seen on paths, open addressing; 3 MiB */
	size_t used;
	uint64_t nodes; /* how many were added */
};

/* Zero the sample first. 0 or -ENOMEM. */
int sample_begin(struct sample *sample);
/* Counts the holders on a node's path; false when the table is getting full: stop. */
bool sample_add(const struct analysis *analysis, struct sample *sample, uint32_t node);
/* The holder: an object, or one of (C code we can't see into), (unreachable garbage),
 * (atexit); HEAP_NONE when there is none. */
uint32_t sample_deepest(const struct analysis *analysis, const struct sample *sample);
void sample_end(struct sample *sample);

#endif
