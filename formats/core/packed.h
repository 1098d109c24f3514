/* SPDX-License-Identifier: MIT */
/*
 * packed - the coding of PACKED blocks, both directions.
 *
 * Most objects of a heap differ from some object before them in nothing but where they
 * lie and what they refer to: all the rest, what is known of a value's text included, is
 * a head, which is written once in a block and then told by its number.
 *
 * A reference is a difference, to where the one before it in the same object leads (they
 * were often made together) or to where the last one of that slot in an object of that
 * type and shape led, whichever is smaller.  Two slots' answers are remembered, for
 * references that come again.  The tables are direct-mapped: types that share a row spoil
 * each other's predictions, never the result.  Every block starts with empty ones.
 */
#ifndef PYMEM_FORMATS_CORE_PACKED_H
#define PYMEM_FORMATS_CORE_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/core/bytes.h"

enum {
	PACKED_ROWS = 1024, /* of slots */
	PACKED_SLOTS = 8,
	PACKED_REF_MAX = 1 + BYTES_VARINT_MAX, /* longest encoded reference or address */
	PACKED_STEP = 64, /* units of 8, forward: an address below that takes one byte */
};

enum packed_column {
	PACKED_ADDR,
	PACKED_HEAD,
	/* of each head */
	PACKED_TYPE,
	PACKED_SHAPE,
	PACKED_SIZE,
	PACKED_REFCOUNT,
	PACKED_FLAGS,
	PACKED_NREFS,
	PACKED_KIND,
	PACKED_LENGTH,
	PACKED_TEXT_SIZE,
	/* of each object again */
	PACKED_REFS,
	PACKED_HASH,
	PACKED_TEXT,
	PACKED_COLUMN_COUNT
};

enum {
	PACKED_KIND_MASK = 0x7f, /* enum snap_value_kind, 0 = no value */
	PACKED_HAS_HASH = 0x80,
};

/* What a reference is told by. */
enum packed_ref {
	PACKED_ABSENT,
	PACKED_ESCAPE, /* the address follows */
	PACKED_LAST,   /* where the last one of the slot led */
	PACKED_BEFORE, /* ... the one before it that was another */
	PACKED_NEAR,   /* and above: bit 0 the base, the rest zigzag of the units of 8 */
};

struct packed_slot {
	uint64_t last, before; /* addresses */
};

/* The row of an object's slots. */
static inline uint32_t packed_row(uint32_t type, uint32_t shape)
{
	return (type + 61 * shape) % PACKED_ROWS;
}

/* References 0 to 7 have a slot each, later ones share the last two by parity. */
static inline unsigned packed_slot_of(uint32_t i)
{
	return i < PACKED_SLOTS ? i : PACKED_SLOTS - 2 + (i & 1);
}

/* Twice a difference of addresses, 8 times its zigzag in units of 8 if it is a multiple
 * of that: what is to be shifted by 3. */
static inline uint64_t packed_distance(uint64_t from, uint64_t to)
{
	return bytes_zigzag(to - from);
}

/* Appends an address; *previous is the one before it. */
static inline uint8_t *packed_put_addr(uint8_t *out, uint64_t *previous, uint64_t addr)
{
	const uint64_t by = addr - *previous, units = by >> 3 | by << 61;

	*previous = addr;
	if (__builtin_expect(units < PACKED_STEP, 1)) { /* one byte: nearly all */
		*out = (uint8_t)(units << 2 | 3);
		return out + 1;
	}
	if (__builtin_expect(by & 7, 0)) {
		out = bytes_put_varint(out, 0);
		return bytes_put_varint(out, addr);
	}
	return bytes_put_positive(out, (bytes_zigzag(by) >> 3) + 1);
}

static inline bool packed_get_addr(struct bytes_cursor *in, uint64_t *previous)
{
	uint64_t code;

	if (!bytes_varint(in, &code))
		return false;
	if (__builtin_expect(code == 0, 0))
		return bytes_varint(in, previous);
	*previous += bytes_unzigzag(code - 1) << 3;
	return code <= 1ULL << 61;
}

/* Appends a reference that is not absent; previous: the one before it in the object. */
static inline uint8_t *packed_put_ref(uint8_t *out, uint64_t previous,
				      struct packed_slot *slot, uint64_t ref)
{
	const uint64_t last = slot->last, before = slot->before;
	uint64_t a, b;

	if (ref == last) {
		*out = PACKED_LAST << 1 | 1;
		return out + 1;
	}
	slot->before = last;
	slot->last = ref;
	if (ref == before) {
		*out = PACKED_BEFORE << 1 | 1;
		return out + 1;
	}
	if (__builtin_expect(((ref - previous) | (ref - last)) & 7, 0)) {
		*out++ = PACKED_ESCAPE << 1 | 1;
		return bytes_put_positive(out, ref);
	}
	/* the low three bits tell nothing: which base it is goes there */
	a = packed_distance(previous, ref) & ~7ULL;
	b = packed_distance(last, ref) | 7;
	return bytes_put_positive(out, PACKED_NEAR + ((a < b ? a : b) >> 2));
}

/* Reads what packed_put_ref wrote. */
static inline bool packed_get_ref(struct bytes_cursor *in, uint64_t *previous,
				  struct packed_slot *slot, uint64_t *ret)
{
	const uint64_t last = slot->last;
	uint64_t code, ref;

	if (!bytes_varint(in, &code))
		return false;
	if (code == PACKED_ABSENT) {
		*ret = 0;
		return true;
	}
	if (code >= PACKED_NEAR) {
		code -= PACKED_NEAR;
		ref = (code & 1 ? last : *previous) + (bytes_unzigzag(code >> 1) << 3);
	} else if (code == PACKED_ESCAPE) {
		if (!bytes_varint(in, &ref))
			return false;
	} else {
		ref = code == PACKED_LAST ? last : slot->before;
	}
	if (ref != last) {
		slot->before = last;
		slot->last = ref;
	}
	*previous = ref;
	*ret = ref;
	return ref != 0;
}

#endif
