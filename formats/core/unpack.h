/* SPDX-License-Identifier: MIT */
/*
 * unpack - PACKED and PACKED_REFS blocks to events; called by decode.c.
 */
#ifndef PYMEM_FORMATS_CORE_UNPACK_H
#define PYMEM_FORMATS_CORE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/core/decode_rows.h"

/* Its tables; false when out of memory. */
bool unpack_init(struct unpack *u);
void unpack_deinit(struct unpack *u);
/* References without their object, if there are any, are forgotten. */
void unpack_begin(struct unpack *u);

/* Delivers the objects of a PACKED block, and their values. 0 or -1. */
int unpack_objects(struct decoder *d, const struct block_head *head, const uint8_t *raw,
		   struct snap_problem *problem);
/* Keeps the references of a PACKED_REFS block for the object that follows. 0 or -1. */
int unpack_refs(struct decoder *d, const struct block_head *head, const uint8_t *raw,
		struct snap_problem *problem);

#endif
