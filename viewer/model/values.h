/* SPDX-License-Identifier: MIT */
/*
 * values - previews packed as a byte stream, found by object id.
 *
 * A record: u8 id & 63, u8 kind (bit 7: a hash follows; bit 6: size is length),
 * varint length, [8 bytes hash], [varint size], text.  Records of 64 neighbouring
 * objects lie together; value_block has where each 64 begin.  While loading, a record
 * has its packed address (8 bytes) in the place of the first byte, in arrival order.
 */
#ifndef PYMEM_VIEWER_MODEL_VALUES_H
#define PYMEM_VIEWER_MODEL_VALUES_H

#include "viewer/model/heap.h"

/* Loading: appends one. 0 or -ENOMEM. */
int values_add(struct vec *raw, uint64_t packed, const struct snap_value *value);
/* Moves the raw records into heap->value_block / value_data; raw is freed. Needs ranked
 * addresses. Later values of the same object win nothing: the first is found. 0 or
 * -ENOMEM. */
int values_build(struct heap *heap, struct vec *raw);

/* Walks all previews in ascending groups of 64 ids: start with a zeroed cursor. */
struct values_cursor {
	uint64_t offset;
	uint32_t block;
};
/* False at the end (or at the first damaged record). */
bool values_next(const struct heap *heap, struct values_cursor *cursor,
		 uint32_t *object_ret, struct heap_value *ret);

#endif
