/* SPDX-License-Identifier: MIT */
/* pack - regions, encoding of objects and values, packing; see pack.h. */
#include "formats/core/pack.h"

#include <errno.h>

_Static_assert(offsetof(struct snap_object, shape) ==
			       offsetof(struct snap_object, type) + 4 &&
		       offsetof(struct snap_object, nrefs) ==
			       offsetof(struct snap_object, flags) + 4,
	       "pairs");

enum {
	PACK_VARINT_32 = 5,
	PACK_PART_MIN = 4096, /* bytes: what is less goes with the next part */
};
#define PACK_TABLE_SIZE (sizeof(struct pack_head) << PACK_TABLE_BITS)
#define PACK_SLOTS_SIZE (PACKED_ROWS * PACKED_SLOTS * sizeof(struct packed_slot))

/* Bytes per object at most, 0 = the column has a size of its own. */
static const uint8_t pack_widths[PACKED_COLUMN_COUNT] = {
	[PACKED_ADDR] = PACKED_REF_MAX,
	[PACKED_HEAD] = PACK_VARINT_32,
	[PACKED_TYPE] = PACK_VARINT_32,
	[PACKED_SHAPE] = PACK_VARINT_32,
	[PACKED_SIZE] = BYTES_VARINT_MAX,
	[PACKED_REFCOUNT] = BYTES_VARINT_MAX,
	[PACKED_FLAGS] = PACK_VARINT_32,
	[PACKED_NREFS] = PACK_VARINT_32,
	[PACKED_KIND] = 1,
	[PACKED_LENGTH] = BYTES_VARINT_MAX,
	[PACKED_TEXT_SIZE] = PACK_VARINT_32,
	[PACKED_HASH] = 8,
};

/* Columns that the next one is unlike. */
static const uint32_t pack_cuts = 1u << PACKED_ADDR | 1u << PACKED_HEAD |
	1u << PACKED_TEXT_SIZE | 1u << PACKED_REFS | 1u << PACKED_HASH;

static size_t pack_column_size(unsigned column)
{
	if (column == PACKED_REFS)
		return PACK_REFS_SIZE + BYTES_VARINT_MAX;
	if (column == PACKED_TEXT)
		return PACK_TEXT_SIZE + SNAP_TEXT_MAX;
	return (size_t)pack_widths[column] * PACK_OBJECTS + BYTES_VARINT_MAX;
}

size_t pack_size(void)
{
	size_t size = PACK_TABLE_SIZE + PACK_SLOTS_SIZE + 4 * PACKED_COLUMN_COUNT;

	for (unsigned i = 0; i < PACKED_COLUMN_COUNT; i++)
		size += pack_column_size(i);
	return size;
}

void pack_init(struct pack *p, void *mem)
{
	*p = (struct pack){ .count = 0 };
	if (!mem)
		return;
	p->table = mem;
	p->slots = (void *)((char *)mem + PACK_TABLE_SIZE);
	p->base = (uint8_t *)mem + PACK_TABLE_SIZE + PACK_SLOTS_SIZE;
	memset(p->table, 0, PACK_TABLE_SIZE);
	pack_reset(p);
}

void pack_reset(struct pack *p)
{
	size_t at = 4 * PACKED_COLUMN_COUNT;

	for (unsigned i = 0; i < PACKED_COLUMN_COUNT; i++) {
		p->pos[i] = p->base + at;
		at += pack_column_size(i);
	}
	p->refs_end = p->pos[PACKED_REFS] + PACK_REFS_SIZE;
	p->text_end = p->pos[PACKED_TEXT] + PACK_TEXT_SIZE;
	p->addr = 0;
	p->count = p->heads = 0;
	p->block++;
	memset(p->slots, 0, PACK_SLOTS_SIZE);
}

/* See struct pack_head. */
static uint32_t pack_code(uint32_t number)
{
	uint8_t code[BYTES_VARINT_MAX + 8];
	const uint32_t size = (uint32_t)(bytes_put_positive(code, number) - code);

	return (bytes_get_u32(code) & ((1u << PACK_CODE_BITS) - 1)) |
		size << PACK_CODE_BITS;
}

int pack_check_value(const struct snap_value *v)
{
	if (v->size > SNAP_TEXT_MAX)
		return -E2BIG;
	return v->kind == 0 || v->kind > PACKED_KIND_MASK ? -EINVAL : 0;
}

void pack_text(struct pack *p, const struct snap_value *v)
{
	memcpy(p->pos[PACKED_TEXT], v->text, v->size);
	p->pos[PACKED_TEXT] += v->size;
	if (__builtin_expect(p->pos[PACKED_TEXT] >= p->text_end, 0))
		pack_seal(p);
}

void pack_new_head(struct pack *p, const struct snap_object *o,
		   const struct snap_value *v)
{
	const struct pack_key key = pack_key(o, v);
	struct pack_head *const head = pack_place(p, &key);

	pack_put(p, PACKED_TYPE, o->type);
	pack_put(p, PACKED_SHAPE, o->shape);
	pack_put(p, PACKED_SIZE, o->size);
	pack_put(p, PACKED_REFCOUNT, o->refcount);
	pack_put(p, PACKED_FLAGS, o->flags);
	pack_put(p, PACKED_NREFS, o->nrefs);
	*p->pos[PACKED_KIND]++ = (uint8_t)(key.value >> 32);
	pack_put(p, PACKED_LENGTH, v ? bytes_zigzag(v->length - v->size) : 0);
	pack_put(p, PACKED_TEXT_SIZE, v ? v->size : 0);
	*head = (struct pack_head){ key, p->block, pack_code(++p->heads) };
	pack_put(p, PACKED_HEAD, 0);
}

const uint8_t *pack_finish(struct pack *p, uint32_t *size_ret)
{
	uint8_t *to = p->base + 4 * (size_t)PACKED_COLUMN_COUNT;
	const uint8_t *from = to;

	pack_close(p);
	for (unsigned i = 0; i < PACKED_COLUMN_COUNT; i++) {
		const size_t used = (size_t)(p->pos[i] - from);

		memmove(to, from, used);
		bytes_put_u32(p->base + 4 * (size_t)i, (uint32_t)used);
		to += used;
		from += pack_column_size(i);
	}
	*size_ret = (uint32_t)(to - p->base);
	return p->base;
}

unsigned pack_parts(const uint8_t *raw, uint32_t ends[PACK_PARTS])
{
	uint32_t at = 4 * PACKED_COLUMN_COUNT, begin = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < PACKED_TEXT; i++) {
		at += bytes_get_u32(raw + 4 * (size_t)i);
		if ((pack_cuts >> i & 1) && at - begin >= PACK_PART_MIN)
			ends[n++] = begin = at;
	}
	return n;
}
