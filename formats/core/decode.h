/* SPDX-License-Identifier: MIT */
/*
 * decode - from decompressed blocks of one process to events.
 *
 * The reader's inner half: reader.c finds, checks and decompresses blocks, this turns
 * their columns into sink events and watches the rules between blocks (ids defined before
 * use, ordinals without gaps, totals).  An OBJECTS block that has VALUES is held back
 * until they arrive, so that each value follows its object.
 */
#ifndef PYMEM_FORMATS_CORE_DECODE_H
#define PYMEM_FORMATS_CORE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/decode_rows.h"

/* Ready for the first process; false when out of memory. */
bool decoder_init(struct decoder *d, uint64_t max_objects, uint64_t max_refs);
void decoder_deinit(struct decoder *d);
/* A process begins. */
void decoder_begin(struct decoder *d, struct snap_sink *sink);
/*
 * One block.  raw holds head->raw_size bytes; it may be exchanged for another buffer.
 * 0; 1: taken, but what it ends was damaged; -1: lost, or stop; both with problem->code,
 * sys and text (without the block's name).
 */
int decoder_block(struct decoder *d, const struct block_head *head, struct buffer *raw,
		  struct snap_problem *problem);
/* A block whose header was good was lost: its ids get placeholders. 0 or -1. */
int decoder_lost(struct decoder *d, const struct block_head *head,
		 struct snap_problem *problem);
/* Input of the process is over: lets go of what is held. 0 or -1. */
int decoder_finish(struct decoder *d, struct snap_problem *problem);
/* Whether anybody sees the events of this block; else it need not be decompressed. */
bool decoder_wants(const struct decoder *d, const struct block_head *head);

#endif
