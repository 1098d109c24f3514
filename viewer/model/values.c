/* SPDX-License-Identifier: MIT */
/*
 * values - previews packed as a byte stream (values.h).
 *
 * Building is two linear passes over the raw records: bytes per block of 64
 * objects, then each record to its block's cursor.  Reading checks every bound,
 * for the stream may come from a sidecar file.
 */
#include "viewer/model/values.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BLOCK 64u
#define HAS_HASH 0x80u
#define SIZE_IS_LENGTH 0x40u

static size_t values_put_varint(uint8_t *out, uint64_t value)
{
	size_t n = 0;

	while (value >= 0x80) {
		out[n++] = (uint8_t)value | 0x80;
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

static const uint8_t *values_get_varint(const uint8_t *p, const uint8_t *end,
					uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
		uint8_t byte = *p++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return p;
		}
	}
	return NULL;
}

int values_add(struct vec *raw, uint64_t packed, const struct snap_value *value)
{
	uint8_t head[8 + 1 + 10 + 8 + 5];
	size_t n = 8;

	memcpy(head, &packed, 8);
	bool whole = value->size == value->length;
	head[n++] = (uint8_t)((value->kind & 0x3f) | (value->hash ? HAS_HASH : 0) |
			      (whole ? SIZE_IS_LENGTH : 0));
	n += values_put_varint(head + n, value->length);
	if (value->hash) {
		memcpy(head + n, &value->hash, 8);
		n += 8;
	}
	if (!whole)
		n += values_put_varint(head + n, value->size);
	assert(n <= sizeof(head));
	if (vec_reserve(raw, n + value->size))
		return -ENOMEM;
	memcpy((char *)raw->data + raw->size, head, n);
	if (value->size)
		memcpy((char *)raw->data + raw->size + n, value->text, value->size);
	raw->size += n + value->size;
	return 0;
}

/* The part of a record after its id; NULL = damaged. */
static const uint8_t *values_parse(const uint8_t *p, const uint8_t *end,
				   struct heap_value *ret)
{
	uint64_t size = 0;

	if (p >= end)
		return NULL;
	uint8_t kind = *p++;
	ret->kind = kind & 0x3f;
	p = values_get_varint(p, end, &ret->length);
	ret->hash = 0;
	if (p && kind & HAS_HASH) {
		if (end - p < 8)
			return NULL;
		memcpy(&ret->hash, p, 8);
		p += 8;
	}
	size = ret->length;
	if (p && !(kind & SIZE_IS_LENGTH))
		p = values_get_varint(p, end, &size);
	if (!p || size > (uint64_t)(end - p) || size > UINT32_MAX)
		return NULL;
	ret->size = (uint32_t)size;
	ret->text = (const char *)p;
	return p + size;
}

/* Past the part of a record after its id, as values_parse, by its sizes only: most
 * records are of fewer than 128 characters, all kept.  NULL = damaged. */
static inline const uint8_t *values_skip(const uint8_t *p, const uint8_t *end)
{
	struct heap_value value;

	if (end - p < 2 || !(p[0] & SIZE_IS_LENGTH) || p[1] >= 0x80)
		return values_parse(p, end, &value);
	const size_t size = 2 + (p[0] & HAS_HASH ? 8 : 0) + p[1];
	return size <= (size_t)(end - p) ? p + size : NULL;
}

static uint32_t values_raw_object(const struct heap *heap, const uint8_t *p)
{
	uint64_t packed;

	memcpy(&packed, p, 8);
	return packed ? addrmap_id(&heap->addrs, packed) : HEAP_NONE;
}

static void values_count_blocks(struct heap *heap, const struct vec *raw)
{
	const uint8_t *p = raw->data, *end = p + raw->size;
	uint64_t *block = heap->value_block.data, sum = 0;
	struct heap_value value;

	while (p < end) {
		uint32_t id = values_raw_object(heap, p);
		const uint8_t *next = values_parse(p + 8, end, &value);

		if (id != HEAP_NONE) {
			block[id / BLOCK] += (uint64_t)(next - p) - 7;
			heap->values++;
		}
		p = next;
	}
	for (size_t i = 0; i < VEC_COUNT(heap->value_block, uint64_t); i++) {
		uint64_t bytes = block[i];

		block[i] = sum;
		sum += bytes;
	}
}

/* Moves block[] to the blocks' ends while filling; shifts back after. */
static void values_fill_blocks(struct heap *heap, const struct vec *raw)
{
	const uint8_t *p = raw->data, *end = p + raw->size;
	uint64_t *block = heap->value_block.data;
	uint8_t *out = heap->value_data.data;
	size_t blocks = VEC_COUNT(heap->value_block, uint64_t);
	struct heap_value value;

	while (p < end) {
		uint32_t id = values_raw_object(heap, p);
		const uint8_t *next = values_parse(p + 8, end, &value);

		if (id != HEAP_NONE) {
			uint64_t *at = &block[id / BLOCK];

			out[*at] = id % BLOCK;
			memcpy(out + *at + 1, p + 8, (size_t)(next - p) - 8);
			*at += (uint64_t)(next - p) - 7;
		}
		p = next;
	}
	memmove(block + 1, block, (blocks - 1) * sizeof(*block));
	block[0] = 0;
}

int values_build(struct heap *heap, struct vec *raw)
{
	size_t blocks = (size_t)(heap->objects + BLOCK - 1) / BLOCK + 1;

	if (vec_alloc(&heap->value_block, blocks * sizeof(uint64_t)))
		return -ENOMEM;
	if (raw->size) {
		values_count_blocks(heap, raw);
		if (vec_alloc(&heap->value_data,
			      VEC(heap->value_block, uint64_t)[blocks - 1]))
			return -ENOMEM;
		values_fill_blocks(heap, raw);
	}
	vec_free(raw);
	return 0;
}

/* Bounds of a block's records; false = none or damaged. */
static bool values_block_bounds(const struct heap *heap, uint32_t block, uint64_t *from,
				uint64_t *to)
{
	const uint64_t *blocks = VEC(heap->value_block, uint64_t);

	if (block + 1 >= VEC_COUNT(heap->value_block, uint64_t))
		return false;
	*from = blocks[block];
	*to = blocks[block + 1];
	return *from <= *to && *to <= heap->value_data.size;
}

/* Where a block's records are: who asks for one object's asks for its neighbour's. */
struct values_block {
	uint64_t heap; /* its serial */
	uint32_t block;
	bool listed;
	uint64_t at[BLOCK]; /* of the record after its id; 0: there is none */
};

static _Thread_local struct values_block recent;

static void values_list(const uint8_t *data, uint64_t from, uint64_t to)
{
	const uint8_t *p = data + from, *const end = data + to;

	memset(recent.at, 0, sizeof(recent.at));
	while (p && p < end) {
		const unsigned id = *p++ % BLOCK;

		if (!recent.at[id])
			recent.at[id] = (uint64_t)(p - data);
		p = values_skip(p, end);
	}
	recent.listed = true;
}

/* The object's record after its id; NULL: it has none. */
static const uint8_t *values_search(const uint8_t *p, const uint8_t *end, uint32_t object)
{
	while (p && p < end) {
		if (*p == object % BLOCK)
			return p + 1;
		p = values_skip(p + 1, end);
	}
	return NULL;
}

bool heap_value(const struct heap *heap, uint32_t object, struct heap_value *ret)
{
	const uint32_t block = object / BLOCK;
	const uint8_t *const data = heap->value_data.data, *p;
	uint64_t from, to;

	memset(ret, 0, sizeof(*ret));
	if (object >= heap->objects || !values_block_bounds(heap, block, &from, &to))
		return false;
	if (recent.heap != heap->serial || recent.block != block) {
		recent.heap = heap->serial;
		recent.block = block;
		recent.listed = false;
		p = values_search(data + from, data + to, object);
	} else {
		if (!recent.listed)
			values_list(data, from, to);
		p = recent.at[object % BLOCK] ? data + recent.at[object % BLOCK] : NULL;
	}
	if (p && values_parse(p, data + to, ret))
		return true;
	memset(ret, 0, sizeof(*ret));
	return false;
}

bool values_next(const struct heap *heap, struct values_cursor *cursor,
		 uint32_t *object_ret, struct heap_value *ret)
{
	const uint8_t *data = heap->value_data.data;
	uint64_t from, to;

	while (values_block_bounds(heap, cursor->block, &from, &to)) {
		if (cursor->offset < from)
			cursor->offset = from;
		if (cursor->offset < to) {
			const uint8_t *p = data + cursor->offset;
			const uint8_t *next = values_parse(p + 1, data + to, ret);

			*object_ret = cursor->block * BLOCK + (*p & (BLOCK - 1));
			if (!next || *object_ret >= heap->objects)
				return false;
			cursor->offset = (uint64_t)(next - data);
			return true;
		}
		cursor->block++;
	}
	return false;
}
