/* SPDX-License-Identifier: MIT */
/*
 * part - one process's snapshot within the output.
 *
 * The stream is given to a keeper, which checks, indexes and writes it (keeper.h); here
 * its bytes are only passed on, to it and, as they stand in the output, to a viewer.
 * At the end the facts that only the receiver knows, the index and the trailer are
 * appended.
 */
#ifndef PYMEM_LOADER_OUTPUT_PART_H
#define PYMEM_LOADER_OUTPUT_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/index.h"
#include "formats/core/sink.h"
#include "loader/output/keeper.h"
#include "loader/output/live.h"

struct part {
	int fd; /* the output; not owned */
	bool seekable;
	uint64_t start;	  /* where in fd the part begins */
	uint64_t written; /* bytes of it in fd */
	uint64_t tries;	  /* begun so far */
	struct snap_index_state state;
	/* Negative errno of the output, sticky: nothing more is written.  Of the
	 * keeper: -EOWNERDEAD, -ETIMEDOUT, -ECANCELED. */
	int error;
	struct live *live;    /* or NULL */
	struct keeper keeper; /* its cancel_fd and patience_ns may be set */
};

/* fd: positioned at its end. live: NULL, or a viewer to keep informed. */
void part_init(struct part *part, int fd, bool seekable, struct live *live);
/*
 * A (new) try begins.  What an earlier try wrote is cut off when the output is
 * seekable, else it stays as a truncated process before the new one.
 * 0 or a negative errno.  The first one forks (keeper_start).
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
