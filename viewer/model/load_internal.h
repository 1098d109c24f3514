/* SPDX-License-Identifier: MIT */
/*
 * load_internal - what load.c (events) hands to build.c (arrays).
 */
#ifndef PYMEM_VIEWER_MODEL_LOAD_INTERNAL_H
#define PYMEM_VIEWER_MODEL_LOAD_INTERNAL_H

#include "viewer/model/load.h"

/* A column of packed addresses: 32 bits, and the bits above once one needs them. */
struct packed {
	struct vec low;	 /* u32 */
	struct vec high; /* u8, as long as low; empty while all fit 32 bits */
};

struct loader {
	struct snap_sink sink;
	struct heap *heap;
	struct packed addr;    /* per object, arrival order */
	struct packed ref;     /* per slot, arrival order */
	struct vec degree;     /* u32 per object, arrival order */
	struct vec values;     /* raw records (values.h) */
	struct vec roots;      /* struct snap_root */
	struct vec class_hash; /* u32, open addressing: class + 1 */
	uint64_t last_addr;    /* address and packed address of the last object */
	uint64_t last_packed;
	uint64_t highest; /* address of the last object while they ascend */
	bool ascending;	  /* arrival order is address order so far */
};

static inline uint64_t packed_get(const struct packed *column, size_t i)
{
	uint64_t low = VEC(column->low, uint32_t)[i];

	return column->high.size ? low | (uint64_t)VEC(column->high, uint8_t)[i] << 32 :
				   low;
}

/* Turns the loader's columns into the heap's arrays. 0, -ENOMEM, -EFBIG. */
int build_arrays(struct loader *loader);
/* Makes synthetic nodes from threads, frames and roots; counts the roots' references into
 * indegree (u32 per object). 0 or -ENOMEM. */
int build_synth(struct loader *loader, uint32_t *indegree);

#endif
