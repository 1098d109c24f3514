/* SPDX-License-Identifier: MIT */
/*
 * index - what the receiver of a stream appends: INDEX and trailer.
 *
 * Watches the bytes of one process's stream go by (headers only, nothing is
 * decompressed) and, at the end, gives the INDEX block (block table) and the
 * trailer.  Also tells a receiver whether END was seen.
 */
#ifndef PYMEM_FORMATS_CORE_INDEX_H
#define PYMEM_FORMATS_CORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snap_indexer;

/* A stream may come from a process that means harm: each block is remembered, so that
 * blocks must be worth it. */
enum { INDEX_IDLE_MAX = 1000 };

struct snap_index_state {
	uint64_t bytes; /* seen so far */
	uint64_t whole; /* of those, bytes up to the end of the last whole block:
				 * where to cut a truncated stream */
	uint64_t blocks, objects;
	uint64_t idle; /* of the blocks, those without rows or of a type not known here */
	bool ended;    /* END seen */
	bool bad;      /* framing is broken after `whole`, or what came is no writer's:
		     * blocks out of their sequence, larger than a reader takes, or more
		     * than INDEX_IDLE_MAX idle ones */
};

/* NULL when out of memory. */
struct snap_indexer *snap_indexer_create(void);
void snap_indexer_destroy(struct snap_indexer *indexer);
int snap_indexer_feed(struct snap_indexer *indexer, const void *data, size_t size);
void snap_indexer_state(const struct snap_indexer *indexer, struct snap_index_state *ret);
/*
 * Forgets the bytes after `whole` (an unfinished or broken block at the end of a
 * truncated stream), so that what is fed next stands at offset `whole`: the
 * receiver's FACTS.  Clears `bad`.  0 or a negative errno.
 */
int snap_indexer_cut(struct snap_indexer *indexer);
/*
 * INDEX block and trailer for what was fed (cut at `whole`). *data_ret is
 * malloc'ed, the caller frees.  0 or a negative errno.
 */
int snap_indexer_finish(struct snap_indexer *indexer, void **data_ret, size_t *size_ret);

#endif
