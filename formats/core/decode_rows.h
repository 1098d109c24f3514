/* SPDX-License-Identifier: MIT */
/*
 * decode_rows - the decoder's state, the blocks that schema.c decodes, and the rules
 * about ids.  decode.c stands on it; not for anybody else.
 */
#ifndef PYMEM_FORMATS_CORE_DECODE_ROWS_H
#define PYMEM_FORMATS_CORE_DECODE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/core/block.h"
#include "formats/core/buffer.h"
#include "formats/core/schema.h"
#include "formats/core/packed.h"
#include "formats/core/predict.h"
#include "formats/core/reader.h"
#include "formats/core/sink.h"

/* unpack.c's */
struct unpack {
	struct packed_slot (*slots)[PACKED_SLOTS];
	struct buffer heads, refs;
	struct buffer gathered; /* references of the object that comes next */
	uint64_t ngathered;
};

struct decoder {
	struct snap_sink *sink;
	uint64_t max_objects, max_refs;
	bool ended;		  /* END was there */
	bool damaged;		  /* blocks were lost: gaps are expected */
	uint64_t filled;	  /* placeholders made for what was lost */
	struct schema_end counts; /* read so far */
	struct predict *predict;
	struct buffer refs, labels;
	struct unpack unpack;

	bool held; /* OBJECTS block waiting for REFS or VALUES */
	struct block_head held_head;
	struct buffer held_raw;
	bool continued;			/* more REFS must come for held_object */
	struct snap_object held_object; /* of a continued block; its refs grow in .refs */
	uint64_t held_refs;		/* references there so far */
};

/* Fills *problem and returns -1. */
__attribute__((format(printf, 4, 5))) int decode_problem(struct snap_problem *problem,
							 enum snap_error_code code,
							 int sys, const char *format,
							 ...);
int decode_corrupt(struct snap_problem *problem, const char *text);
/* 0 for 0; else the sink's value as SNAP_E_SINK. */
int decode_stopped(struct snap_problem *problem, int sink_result);

/* Ids of a block type (STRINGS, TYPES, ...) up to `last` get placeholder definitions. */
int decode_fill(struct decoder *d, unsigned type, uint64_t last,
		struct snap_problem *problem);
/* 0 when id is defined (or 0, or could be filled in because blocks were lost). */
int decode_defined(struct decoder *d, unsigned type, uint32_t id,
		   struct snap_problem *problem);
/* The block must begin where the last one of its type ended; *count is brought there. */
int decode_first(struct decoder *d, const struct block_head *head, uint64_t *count,
		 struct snap_problem *problem);
/* Delivers all rows of a block. */
int decode_rows(struct decoder *d, const struct block_head *head, const uint8_t *raw,
		struct snap_problem *problem);

#endif
