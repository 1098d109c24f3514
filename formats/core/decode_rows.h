/* SPDX-License-Identifier: MIT */
/* decode_rows - the blocks that layout.c decodes, and the rules about ids; decode.c's
 * other half, not for anybody else. */
#ifndef PYMEM_FORMATS_CORE_DECODE_ROWS_H
#define PYMEM_FORMATS_CORE_DECODE_ROWS_H

#include "formats/core/decode.h"

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
