/* SPDX-License-Identifier: MIT */
/*
 * appender - puts one process's snapshot into a file, in whole blocks.
 *
 * Takes the stream as it arrives and writes it on in whole blocks only: what has arrived
 * of a block that isn't finished is held back in memory.  So the output is a readable (if
 * truncated) snapshot at every instant and needs no cutting when the sender dies.  At the
 * end a block of facts, the index and the trailer are appended.  Runs in the keeper.
 */
#ifndef PYMEM_LOADER_OUTPUT_APPENDER_H
#define PYMEM_LOADER_OUTPUT_APPENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/block.h"
#include "formats/core/index.h"

struct appender {
	int fd; /* the output; not owned */
	bool seekable;
	uint64_t start;	  /* where in fd the part begins */
	uint64_t written; /* bytes of it in fd */
	struct snap_indexer *indexer;
	struct snap_index_state state;
	char *held; /* bytes of the unfinished block */
	size_t held_size, held_capacity;
	int error; /* negative errno of the output, sticky: nothing more is written */
};

/* The most that one unfinished block may hold back: a reader takes no larger one. */
enum { APPENDER_HELD_MAX = BLOCK_RAW_MAX + (1 << 20) };

/*
 * A (new) try begins.  What an earlier try wrote is cut off when the output is seekable,
 * else it stays as a truncated process before the new one.  0 or a negative errno.
 */
int appender_begin(struct appender *appender);
/*
 * Bytes from the agent. 0 or a negative errno: -EPROTO when they are no snapshot (any
 * more), else the output's error (also in appender->error).
 */
int appender_feed(struct appender *appender, const void *data, size_t size);
/* Appends this block (of facts), index and trailer. 0 or a negative errno. */
int appender_finish(struct appender *appender, const void *block, size_t size);

#endif
