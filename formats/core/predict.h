/* SPDX-License-Identifier: MIT */
/*
 * predict - what an OBJECTS block's next object (before version 1.2) probably looks like.
 *
 * Objects of one type resemble each other, and what one of them refers to in a slot lies
 * close to what the one before referred to in that slot.  The writer kept the same
 * small tables as the reader while it went through a block and stored only differences;
 * both start each block with zeros, so blocks stay independent.  The tables are
 * direct-mapped: two types that share a line spoil each other's predictions, never the
 * result.
 *
 * A reference is a varint: 0 = absent; 1 = escape, the address follows as a varint (it is
 * not a multiple of 8); else, less 2: bits 0 and 1 say which base, the rest is
 * zigzag(reference - base), in units of 8.  Bases: the reference before in the same
 * object (neighbours were often made together), the last reference of that slot in an
 * object of that type and shape, the one before it that was another, the object's own
 * address.
 */
#ifndef PYMEM_FORMATS_CORE_PREDICT_H
#define PYMEM_FORMATS_CORE_PREDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "formats/core/bytes.h"
#include "formats/core/sink.h"

enum {
	PREDICT_LINES = 1024,
	PREDICT_SLOTS = 8,
	PREDICT_REF_MAX = 1 + BYTES_VARINT_MAX, /* longest encoded reference or address */
};

struct predict_type {
	uint64_t size;
	uint32_t shape, flags, nrefs;
};

/* All in units of 8 bytes. */
struct predict_slot {
	uint64_t last;	 /* what the slot referred to last */
	uint64_t before; /* and what before that, something else */
};

struct predict {
	uint64_t addr; /* of the object before, >> 3 */
	struct predict_type types[PREDICT_LINES];
	struct predict_slot slots[PREDICT_LINES][PREDICT_SLOTS];
};

static inline void predict_reset(struct predict *p)
{
	memset(p, 0, sizeof(*p));
}

static inline struct predict_type *predict_type(struct predict *p, uint32_t type)
{
	return &p->types[type % PREDICT_LINES];
}

static inline struct predict_slot *predict_slots(struct predict *p, uint32_t type,
						 uint32_t shape)
{
	return p->slots[(type + 61 * shape) % PREDICT_LINES];
}

/* References 0 to 7 have a slot each, later ones share the last two by parity. */
static inline unsigned predict_slot_of(uint32_t i)
{
	return i < PREDICT_SLOTS ? i : PREDICT_SLOTS - 2 + (i & 1);
}

/* An object's address: 0 = escape, it follows; else zigzag(difference to the object
 * before, in units of 8) + 1. */
static inline bool predict_get_addr(struct predict *p, struct bytes_cursor *in,
				    uint64_t *ret)
{
	uint64_t code;

	if (!bytes_varint(in, &code))
		return false;
	if (__builtin_expect(code == 0, 0)) {
		if (!bytes_varint(in, ret))
			return false;
		p->addr = *ret >> 3;
		return true;
	}
	p->addr += bytes_unzigzag(code - 1);
	*ret = p->addr << 3;
	return p->addr >> 61 == 0;
}

static inline void predict_remember(struct predict_slot *slot, uint64_t units)
{
	slot->before = units != slot->last ? slot->last : slot->before;
	slot->last = units;
}

/*
 * A reference.  own is the object's address >> 3; *previous the reference before in this
 * object and block, >> 3, to begin with own.  False when it runs over the end or is no
 * address.
 */
static inline bool predict_get_ref(struct bytes_cursor *in, uint64_t own,
				   uint64_t *previous, struct predict_slot *slot,
				   uint64_t *ret)
{
	const uint64_t bases[4] = { *previous, slot->last, slot->before, own };
	uint64_t code, units;

	if (!bytes_varint(in, &code))
		return false;
	if (code < 2) {
		*ret = 0;
		if (code == 0)
			return true;
		if (!bytes_varint(in, ret))
			return false;
		units = *ret >> 3;
	} else {
		code -= 2;
		units = bases[code & 3] + bytes_unzigzag(code >> 2);
		*ret = units << 3;
	}
	predict_remember(slot, units);
	*previous = units;
	return units >> 61 == 0;
}

#endif
