/* SPDX-License-Identifier: MIT */
/*
 * part - one process's snapshot within the output.
 *
 * Takes the stream as it arrives and writes it on in whole blocks only: what
 * has arrived of a block that isn't finished is held back in memory.  So the
 * output is a readable (if truncated) snapshot at every instant and needs no
 * cutting when the sender dies.  At the end the facts that only the receiver
 * knows, the index and the trailer are appended.
 */
#ifndef PYMEM_LOADER_OUTPUT_PART_H
#define PYMEM_LOADER_OUTPUT_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/index.h"
#include "formats/core/sink.h"
#include "formats/core/block.h"
#include "loader/output/live.h"

struct part {
	int fd; /* the output; not owned */
	bool seekable;
	uint64_t start;	  /* where in fd the part begins */
	uint64_t written; /* bytes of it in fd */
	uint64_t tries;	  /* begun so far */
	struct snap_indexer *indexer;
	struct snap_index_state state;
	char *held; /* bytes of the unfinished block */
	size_t held_size, held_capacity;
	int error; /* negative errno of the output, sticky: nothing more is written */
	struct live *live; /* or NULL */
};

/* The most that one unfinished block may hold back: a reader takes no larger one. */
enum { PART_HELD_MAX = BLOCK_RAW_MAX + (1 << 20) };

/* fd: positioned at its end. live: NULL, or a viewer to keep informed. */
void part_init(struct part *part, int fd, bool seekable, struct live *live);
/*
 * A (new) try begins.  What an earlier try wrote is cut off when the output is
 * seekable, else it stays as a truncated process before the new one.
 * 0 or a negative errno.
 */
int part_begin(struct part *part);
/*
 * Bytes from the agent. 0 or a negative errno: -EPROTO when they are no
 * snapshot (any more), else the output's error (also in part->error).
 */
int part_feed(struct part *part, const void *data, size_t size);
/* Appends facts, index and trailer. 0 or a negative errno. */
int part_finish(struct part *part, const struct snap_fact *facts, size_t count);
void part_deinit(struct part *part);

#endif
