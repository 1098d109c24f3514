/* SPDX-License-Identifier: MIT */
/* columns - regions, encoding of objects and values, packing; see columns.h. */
#include "formats/core/columns.h"

#include "formats/core/layout.h"

/* The tables come first in the memory, the columns begin at a cache line. */
#define PREDICT_SIZE ((sizeof(struct predict) + 63) & ~(size_t)63)

enum { VARINT_32 = 5, VARINT_64 = BYTES_VARINT_MAX };

/* Bytes per object or value at most, 0 = the column has a size of its own. */
static const uint8_t object_widths[OBJECT_COLUMN_COUNT] = {
	[OBJECT_ADDR] = PREDICT_REF_MAX, [OBJECT_TYPE] = VARINT_32,
	[OBJECT_SHAPE] = VARINT_32,	 [OBJECT_SIZE] = VARINT_64,
	[OBJECT_REFCOUNT] = VARINT_64,	 [OBJECT_FLAGS] = VARINT_32,
	[OBJECT_NREFS] = VARINT_32,
};
static const uint8_t value_widths[VALUE_COLUMN_COUNT] = {
	[VALUE_GAP] = VARINT_32,  [VALUE_KIND] = 1, [VALUE_LENGTH] = VARINT_64,
	[VALUE_SIZE] = VARINT_32, [VALUE_HASH] = 8,
};

static size_t columns_object_column_size(unsigned column)
{
	if (column == OBJECT_REFS)
		return COLUMNS_REFS_SIZE + BYTES_VARINT_MAX;
	return (size_t)object_widths[column] * COLUMNS_OBJECTS + BYTES_VARINT_MAX;
}

static size_t columns_value_column_size(unsigned column)
{
	if (column == VALUE_TEXT)
		return COLUMNS_TEXT_SIZE + SNAP_TEXT_MAX;
	return (size_t)value_widths[column] * COLUMNS_OBJECTS + BYTES_VARINT_MAX;
}

size_t columns_objects_size(void)
{
	size_t size = PREDICT_SIZE + 4 * OBJECT_COLUMN_COUNT;

	for (unsigned i = 0; i < OBJECT_COLUMN_COUNT; i++)
		size += columns_object_column_size(i);
	return size;
}

size_t columns_values_size(void)
{
	size_t size = 4 * VALUE_COLUMN_COUNT;

	for (unsigned i = 0; i < VALUE_COLUMN_COUNT; i++)
		size += columns_value_column_size(i);
	return size;
}

/* Puts every column back to the start of its region. */
static void columns_rewind_objects(struct object_columns *c)
{
	size_t at = 4 * OBJECT_COLUMN_COUNT;

	for (unsigned i = 0; i < OBJECT_COLUMN_COUNT; i++) {
		c->pos[i] = c->base + at;
		at += columns_object_column_size(i);
	}
	c->refs_end = c->pos[OBJECT_REFS] + COLUMNS_REFS_SIZE;
}

void columns_objects_init(struct object_columns *c, void *mem)
{
	c->count = 0;
	c->first = 0;
	if (!mem)
		return;
	c->predict = mem;
	c->base = (uint8_t *)mem + PREDICT_SIZE;
	columns_objects_reset(c);
}

void columns_objects_reset(struct object_columns *c)
{
	c->first += c->count;
	c->count = 0;
	c->written = false;
	columns_rewind_objects(c);
	predict_reset(c->predict);
}

void columns_values_init(struct value_columns *c, void *mem)
{
	if (!mem)
		return;
	c->base = mem;
	columns_values_reset(c);
}

void columns_values_reset(struct value_columns *c)
{
	size_t at = 4 * VALUE_COLUMN_COUNT;

	for (unsigned i = 0; i < VALUE_COLUMN_COUNT; i++) {
		c->pos[i] = c->base + at;
		at += columns_value_column_size(i);
	}
	c->text_end = c->pos[VALUE_TEXT] + COLUMNS_TEXT_SIZE;
	c->count = 0;
	c->next = 0;
}

/* A varint that is known to be below 128. */
static inline void columns_put_byte(uint8_t **pos, uint64_t v)
{
	*(*pos)++ = (uint8_t)(v << 1 | 1);
}

static inline void columns_put_varint(uint8_t **pos, uint64_t v)
{
	*pos = bytes_put_varint(*pos, v);
}

/* The columns with one number per object; but for the type, nearly always below 128. */
static inline void columns_put_numbers(struct object_columns *c,
				       const struct snap_object *o, uint32_t nrefs)
{
	struct predict_type *const like = predict_type(c->predict, o->type);
	const uint64_t shape = o->shape == like->shape ? 0 : (uint64_t)o->shape + 1;
	const uint64_t size = bytes_zigzag(o->size - like->size);
	const uint64_t count = bytes_zigzag((uint64_t)nrefs - like->nrefs);
	const uint64_t flags = o->flags ^ like->flags;
	uint8_t **const pos = c->pos;

	columns_put_varint(&pos[OBJECT_TYPE], o->type);
	if (__builtin_expect((shape | size | o->refcount | flags | count) < 128, 1)) {
		columns_put_byte(&pos[OBJECT_SHAPE], shape);
		columns_put_byte(&pos[OBJECT_SIZE], size);
		columns_put_byte(&pos[OBJECT_REFCOUNT], o->refcount);
		columns_put_byte(&pos[OBJECT_FLAGS], flags);
		columns_put_byte(&pos[OBJECT_NREFS], count);
	} else {
		columns_put_varint(&pos[OBJECT_SHAPE], shape);
		columns_put_varint(&pos[OBJECT_SIZE], size);
		columns_put_varint(&pos[OBJECT_REFCOUNT], o->refcount);
		columns_put_varint(&pos[OBJECT_FLAGS], flags);
		columns_put_varint(&pos[OBJECT_NREFS], count);
	}
	*like = (struct predict_type){ o->size, o->shape, o->flags, nrefs };
}

uint32_t columns_put_object(struct object_columns *c, const struct snap_object *o,
			    uint32_t nrefs)
{
	struct predict_slot *const slots = predict_slots(c->predict, o->type, o->shape);
	const uint64_t own = o->addr >> 3;
	const uint64_t *const refs = o->refs;
	uint8_t *out = c->pos[OBJECT_REFS];
	uint64_t previous = own;
	uint32_t edges = 0;

	columns_put_numbers(c, o, nrefs);
	c->pos[OBJECT_ADDR] = predict_put_addr(c->predict, c->pos[OBJECT_ADDR], o->addr);
	for (uint32_t i = 0; i < o->nrefs; i++) {
		out = predict_put_ref(out, own, &previous, &slots[predict_slot_of(i)],
				      refs[i]);
		edges += refs[i] != 0;
	}
	c->pos[OBJECT_REFS] = out;
	c->last_addr = o->addr;
	c->count++;
	return edges;
}

void columns_put_value(struct value_columns *c, uint32_t index,
		       const struct snap_value *v)
{
	uint8_t **const pos = c->pos;

	columns_put_varint(&pos[VALUE_GAP], index - c->next);
	*pos[VALUE_KIND]++ = v->kind | (v->hash ? VALUE_HAS_HASH : 0);
	columns_put_varint(&pos[VALUE_LENGTH], bytes_zigzag(v->length - v->size));
	columns_put_varint(&pos[VALUE_SIZE], v->size);
	if (v->hash) {
		bytes_put_u64(pos[VALUE_HASH], v->hash);
		pos[VALUE_HASH] += 8;
	}
	if (v->size > 0)
		memcpy(pos[VALUE_TEXT], v->text, v->size);
	pos[VALUE_TEXT] += v->size;
	c->next = index + 1;
	c->count++;
}

/* Moves columns together; `size` gives the size of each region. */
static uint32_t columns_pack(uint8_t *base, uint8_t *const *pos, unsigned n,
			     size_t (*size)(unsigned))
{
	uint8_t *to = base + 4 * (size_t)n;
	const uint8_t *from = to;

	for (unsigned i = 0; i < n; i++) {
		const size_t used = (size_t)(pos[i] - from);

		memmove(to, from, used);
		bytes_put_u32(base + 4 * (size_t)i, (uint32_t)used);
		to += used;
		from += size(i);
	}
	return (uint32_t)(to - base);
}

const uint8_t *columns_objects_pack(struct object_columns *c, uint32_t *size_ret)
{
	*size_ret = columns_pack(c->base, c->pos, OBJECT_COLUMN_COUNT,
				 columns_object_column_size);
	return c->base;
}

const uint8_t *columns_values_pack(struct value_columns *c, uint32_t *size_ret)
{
	*size_ret = columns_pack(c->base, c->pos, VALUE_COLUMN_COUNT,
				 columns_value_column_size);
	return c->base;
}
