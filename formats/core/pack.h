/* SPDX-License-Identifier: MIT */
/*
 * pack - a PACKED block while it is being filled.
 *
 * Each column grows in a region large enough for the worst case of a whole block, so that
 * no write needs a check of its own; only the references and the text, whose worst case
 * has no bound, are asked about once per object (pack_has_room).  What an object's head
 * is, is known when its value has come, or cannot come any more: with the object, where
 * the producer says so (pack_whole), else at the next object.
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
	PACK_REF_ROOM = 16, /* for one: as a shift */
	PACK_TEXT_SIZE = 1 << 20,
	PACK_TABLE_BITS = 12, /* of the number of heads that are remembered */
	PACK_PARTS = 5,	      /* cuts between unlike columns, at most */
};

/* All of an object and its value that is told once, in pairs as they lie there. */
struct pack_key {
	uint64_t size, refcount;
	uint64_t kind;	/* type id and shape */
	uint64_t flags; /* and the number of references */
	uint64_t value; /* bytes of the text; above them the kind column */
	uint64_t length;
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
	bool open;			   /* the last object's head isn't written yet: */
	struct snap_object object;	   /* ... of this, */
	struct snap_value value;	   /* and this, kind 0: none */
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
static inline void pack_seal(struct pack *pack)
{
	pack->refs_end = pack->base;
}

/* May it be written?  0, or a negative errno. */
int pack_check_value(const struct snap_value *v);
/* Appends the text of a value. */
void pack_text(struct pack *pack, const struct snap_value *v);
/* Writes the head of an object and its value, NULL: none; it takes another one's place in
 * the table. */
void pack_new_head(struct pack *pack, const struct snap_object *o,
		   const struct snap_value *v);

/* Whether an object with nrefs references in the block, and a value, fit in; an empty
 * block has room for PACK_REFS_MAX, none for more. */
static inline bool pack_has_room(const struct pack *pack, uint32_t nrefs)
{
	_Static_assert((int)PACKED_REF_MAX <= (int)PACK_REF_ROOM &&
			       PACK_REFS_MAX * PACK_REF_ROOM == PACK_REFS_SIZE,
		       "room for one object");
	return pack->pos[PACKED_REFS] + (size_t)nrefs * PACK_REF_ROOM <= pack->refs_end;
}

static inline void pack_put(struct pack *pack, enum packed_column column, uint64_t v)
{
	pack->pos[column] = bytes_put_varint(pack->pos[column], v);
}

static inline uint64_t pack_pair(const uint32_t *words)
{
	uint64_t pair;

	memcpy(&pair, words, sizeof(pair));
	return pair;
}

static inline struct pack_key pack_key(const struct snap_object *o,
				       const struct snap_value *v)
{
	struct pack_key key = { .size = o->size,
				.refcount = o->refcount,
				.kind = pack_pair(&o->type),
				.flags = pack_pair(&o->flags) };

	if (v) {
		key.value = v->size |
			(uint64_t)(v->kind | (v->hash ? PACKED_HAS_HASH : 0)) << 32;
		key.length = v->length;
	}
	return key;
}

/* The place in the table of a head. */
static inline struct pack_head *pack_place(const struct pack *pack,
					   const struct pack_key *key)
{
	const uint64_t sum = key->size + key->refcount * 0x2c1b3c6d +
		key->kind * 0x297a2d39 + key->flags * 0x1b873593 +
		key->value * 0x165667b1 + key->length * 0x27d4eb2f;

	return &pack->table[sum * 0x9e3779b97f4a7c15ULL >> (64 - PACK_TABLE_BITS)];
}

static inline bool pack_is(const struct pack_key *a, const struct pack_key *b)
{
	return !((a->size ^ b->size) | (a->refcount ^ b->refcount) | (a->kind ^ b->kind) |
		 (a->flags ^ b->flags) | (a->value ^ b->value) | (a->length ^ b->length));
}

/* Tells what the head of an object and its value is, if it is known; else false. */
static inline bool pack_tell(struct pack *pack, const struct snap_object *o,
			     const struct snap_value *v)
{
	const struct pack_key key = pack_key(o, v);
	const struct pack_head *const head = pack_place(pack, &key);

	if (__builtin_expect(head->block != pack->block || !pack_is(&key, &head->key), 0))
		return false;
	bytes_put_u32(pack->pos[PACKED_HEAD], head->code);
	pack->pos[PACKED_HEAD] += head->code >> PACK_CODE_BITS;
	return true;
}

/* Tells the last object's head. */
static inline void pack_close(struct pack *pack)
{
	const struct snap_value *const v = pack->value.kind ? &pack->value : NULL;

	if (pack->open && !pack_tell(pack, &pack->object, v))
		pack_new_head(pack, &pack->object, v);
	pack->open = false;
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
static inline __attribute__((always_inline)) uint32_t pack_refs(uint8_t **pos,
								uint64_t previous,
								struct packed_slot *slots,
								const uint64_t *refs,
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

/* Appends an object's references; returns how many are absent. */
static inline uint32_t pack_object_refs(struct pack *pack, const struct snap_object *o)
{
	return pack_refs(&pack->pos[PACKED_REFS], o->addr,
			 pack->slots[packed_row(o->type, o->shape)], o->refs, o->nrefs);
}

/* Adds an object: its address alone. */
static inline void pack_addr(struct pack *pack, uint64_t addr)
{
	if (__builtin_expect(++pack->count == PACK_OBJECTS, 0))
		pack_seal(pack);
	pack->pos[PACKED_ADDR] =
		packed_put_addr(pack->pos[PACKED_ADDR], &pack->addr, addr);
}

/* Adds an object, whose head comes later. */
static inline void pack_object(struct pack *pack, const struct snap_object *o)
{
	pack_close(pack);
	pack->object = *o;
	pack->value.kind = 0;
	pack->open = true;
	pack_addr(pack, o->addr);
}

static inline void pack_hash(struct pack *pack, const struct snap_value *v)
{
	if (!v->hash)
		return;
	bytes_put_u64(pack->pos[PACKED_HASH], v->hash);
	pack->pos[PACKED_HASH] += 8;
}

/* Adds the value of the last object, which is open and has none yet. */
static inline void pack_value(struct pack *pack, const struct snap_value *v)
{
	pack->value = *v;
	pack_hash(pack, v);
	if (v->size)
		pack_text(pack, v);
}

#endif
