/* SPDX-License-Identifier: MIT */
/*
 * pack - a PACKED block while it is being filled.
 *
 * Each column grows in a region large enough for the worst case of a whole block, so that
 * no write needs a check of its own; only the references and the text, whose worst case
 * has no bound, are asked about once per object (pack_has_room).  What an object's head
 * is, is known when its value has come, or cannot come any more: at the next object.
 */
#ifndef PYMEM_FORMATS_CORE_PACK_H
#define PYMEM_FORMATS_CORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/packed.h"
#include "formats/core/sink.h"

enum {
	PACK_OBJECTS = 32768,  /* objects in a block, at most */
	PACK_REFS_MAX = 65536, /* references of an object that are in it */
	PACK_REFS_SIZE = 1 << 20,
	PACK_TEXT_SIZE = 1 << 20,
	PACK_TABLE_BITS = 12, /* of the number of heads that are remembered */
	PACK_PARTS = 3,	      /* cuts between unlike columns, at most */
};

/* All of an object and its value that is told once. */
struct pack_key {
	uint64_t size, refcount;
	uint64_t kind;	 /* type id; above it the shape */
	uint64_t flags;	 /* above them the number of references */
	uint64_t value;	 /* bytes of the text; above them the kind column */
	uint64_t length; /* of the value */
};

/* The heads that were written last, by a hash of their content. */
struct pack_head {
	struct pack_key key;
	uint64_t block; /* that it was written in */
	uint32_t code;	/* its number as a varint; above that, in bits 24.., its size */
};
enum { PACK_CODE_BITS = 24 };
_Static_assert(PACK_OBJECTS <= 1 << 7 * PACK_CODE_BITS / 8, "numbers of heads fit");

struct pack {
	uint8_t *pos[PACKED_COLUMN_COUNT]; /* where the next value goes */
	uint8_t *refs_end, *text_end;	   /* nothing may begin beyond */
	uint64_t addr;			   /* of the last object */
	struct pack_key key;		   /* of the last object, not yet written */
	uint32_t count, heads;
	uint64_t block; /* 1, 2, ...: so the tables need not be cleared */
	uint8_t *base;
	struct packed_slot (*slots)[PACKED_SLOTS];
	struct pack_head *table;
};

/* Bytes that a block needs, its tables included. */
size_t pack_size(void);
/* mem: pack_size() bytes, 64-byte aligned; may be NULL when only laying out. */
void pack_init(struct pack *pack, void *mem);
/* Begins a new block. */
void pack_reset(struct pack *pack);

/* The block's content and its size; once, before reset. */
const uint8_t *pack_finish(struct pack *pack, uint32_t *size_ret);
/* Where in such a content columns end that the next ones are unlike; their number. */
unsigned pack_parts(const uint8_t *raw, uint32_t ends[PACK_PARTS]);
/* No further object fits in. */
void pack_seal(struct pack *pack);
/* Writes the last object's head, which takes another one's place in the table. */
void pack_new_head(struct pack *pack, struct pack_head *head);

/* Whether an object with nrefs references in the block, and a value, fit in; an empty
 * block always has room. */
static inline bool pack_has_room(const struct pack *pack, uint32_t nrefs)
{
	return pack->pos[PACKED_REFS] + (size_t)nrefs * PACKED_REF_MAX <= pack->refs_end;
}

static inline void pack_put(struct pack *pack, enum packed_column column, uint64_t v)
{
	pack->pos[column] = bytes_put_varint(pack->pos[column], v);
}

/* The place in the table of a head. */
static inline struct pack_head *pack_place(const struct pack *pack,
					   const struct pack_key *key)
{
	const uint64_t kind = key->kind + (key->flags << 13);
	const uint64_t rest =
		key->size + (key->refcount << 20) + key->value + (key->length << 32);
	const uint64_t hash = (rest ^ (kind << 41 | kind >> 23)) * 0x9e3779b97f4a7c15ULL;

	return &pack->table[hash >> (64 - PACK_TABLE_BITS)];
}

static inline bool pack_is(const struct pack_key *a, const struct pack_key *b)
{
	return !((a->size ^ b->size) | (a->refcount ^ b->refcount) | (a->kind ^ b->kind) |
		 (a->flags ^ b->flags) | (a->value ^ b->value) | (a->length ^ b->length));
}

/* Tells what the last object's head is. */
static inline void pack_close(struct pack *pack)
{
	struct pack_head *const head = pack_place(pack, &pack->key);

	if (__builtin_expect(
		    head->block == pack->block && pack_is(&pack->key, &head->key), 1)) {
		bytes_put_u32(pack->pos[PACKED_HEAD], head->code);
		pack->pos[PACKED_HEAD] += head->code >> PACK_CODE_BITS;
	} else {
		pack_new_head(pack, head);
	}
}

/* Appends a reference; *previous is the one before it in the object. Returns whether it
 * is absent. */
static inline uint32_t pack_ref(uint8_t **pos, uint64_t *previous,
				struct packed_slot *slot, uint64_t ref)
{
	if (ref == 0) {
		*(*pos)++ = PACKED_ABSENT << 1 | 1;
		return 1;
	}
	*pos = packed_put_ref(*pos, *previous, slot, ref);
	*previous = ref;
	return 0;
}

/* Appends references to *pos, the first one number 0 of its object (or of a block of
 * PACKED_REFS); returns how many are absent. */
static inline uint32_t pack_refs(uint8_t **pos, uint64_t previous,
				 struct packed_slot *slots, const uint64_t *refs,
				 uint32_t n)
{
	const uint32_t own = n < PACKED_SLOTS ? n : PACKED_SLOTS;
	uint8_t *out = *pos;
	uint32_t absent = 0;

	for (uint32_t i = 0; i < own; i++)
		absent += pack_ref(&out, &previous, &slots[i], refs[i]);
	for (uint32_t i = own; i < n; i++)
		absent += pack_ref(&out, &previous, &slots[packed_slot_of(i)], refs[i]);
	*pos = out;
	return absent;
}

/* Adds an object and `refs` (all or none) of its references; returns how many of them
 * are absent. */
static inline __attribute__((always_inline)) uint32_t pack_object(
	struct pack *pack, const struct snap_object *o, uint32_t refs)
{
	if (__builtin_expect(pack->count > 0, 1))
		pack_close(pack);
	if (++pack->count == PACK_OBJECTS)
		pack_seal(pack);
	pack->pos[PACKED_ADDR] =
		packed_put_addr(pack->pos[PACKED_ADDR], &pack->addr, o->addr);
	pack->key = (struct pack_key){
		.size = o->size,
		.refcount = o->refcount,
		.kind = o->type | (uint64_t)o->shape << 32,
		.flags = o->flags | (uint64_t)o->nrefs << 32,
	};
	if (!refs)
		return 0;
	return pack_refs(&pack->pos[PACKED_REFS], o->addr,
			 pack->slots[packed_row(o->type, o->shape)], o->refs, refs);
}

/* Adds the value of the last object, which has none yet. */
static inline void pack_value(struct pack *pack, const struct snap_value *v)
{
	const uint64_t kind = v->kind | (v->hash ? PACKED_HAS_HASH : 0);

	pack->key.value = v->size | kind << 32;
	pack->key.length = v->length;
	if (v->hash) {
		bytes_put_u64(pack->pos[PACKED_HASH], v->hash);
		pack->pos[PACKED_HASH] += 8;
	}
	if (v->size > 0) {
		memcpy(pack->pos[PACKED_TEXT], v->text, v->size);
		pack->pos[PACKED_TEXT] += v->size;
		if (__builtin_expect(pack->pos[PACKED_TEXT] >= pack->text_end, 0))
			pack_seal(pack);
	}
}

#endif
