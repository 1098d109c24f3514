/* SPDX-License-Identifier: MIT */
/*
 * columns - the OBJECTS and VALUES blocks while they are being filled.
 *
 * Each column grows in a region large enough for the worst case of a whole block, so that
 * no write needs a check of its own; only the references and the text, whose worst case
 * has no bound, are asked about once per object (columns_have_room).  pack moves the
 * columns together behind their size table, in place.
 */
#ifndef PYMEM_FORMATS_CORE_COLUMNS_H
#define PYMEM_FORMATS_CORE_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/predict.h"
#include "formats/core/sink.h"

enum {
	COLUMNS_OBJECTS = 32768,     /* objects in a block, at most */
	COLUMNS_REFS_MAX = 65536,    /* references of one object in its OBJECTS block */
	COLUMNS_REFS_SIZE = 1 << 20, /* bytes of the references' column */
	COLUMNS_TEXT_SIZE = 1 << 20,
};

enum {
	OBJECT_ADDR,
	OBJECT_TYPE,
	OBJECT_SHAPE,
	OBJECT_SIZE,
	OBJECT_REFCOUNT,
	OBJECT_FLAGS,
	OBJECT_NREFS,
	OBJECT_REFS,
	OBJECT_COLUMN_COUNT
};
enum {
	VALUE_GAP,
	VALUE_KIND,
	VALUE_LENGTH,
	VALUE_SIZE,
	VALUE_HASH,
	VALUE_TEXT,
	VALUE_COLUMN_COUNT
};

#define VALUE_HAS_HASH 0x80 /* in the kind column: the hash column has an entry */

struct object_columns {
	uint8_t *pos[OBJECT_COLUMN_COUNT]; /* where the next value goes */
	uint8_t *refs_end;		   /* references may not begin beyond */
	uint32_t count;
	bool written;	/* the block is out, only the last object's value is awaited */
	uint64_t first; /* ordinal of the block's first object */
	uint64_t last_addr;
	uint8_t *base;
	struct predict *predict;
};

struct value_columns {
	uint8_t *pos[VALUE_COLUMN_COUNT];
	uint8_t *text_end;
	uint32_t count;
	uint32_t next; /* objects before this one have theirs, or none */
	uint8_t *base;
};

/* Bytes that the columns of a block of objects, of values, need. */
size_t columns_objects_size(void);
size_t columns_values_size(void);
/* mem: as many bytes as the size functions say; 64-byte aligned; may be NULL when
 * only laying out. */
void columns_objects_init(struct object_columns *c, void *mem);
void columns_values_init(struct value_columns *c, void *mem);

/* Begins a new block; objects: after the last one's objects. */
void columns_objects_reset(struct object_columns *c);
void columns_values_reset(struct value_columns *c);

/* Whether an object with nrefs references (or its first COLUMNS_REFS_MAX) and a value
 * fit in; an empty block always has room. */
static inline bool columns_have_room(const struct object_columns *c,
				     const struct value_columns *v, uint32_t nrefs)
{
	const size_t room = (size_t)(c->refs_end - c->pos[OBJECT_REFS]);

	return c->count < COLUMNS_OBJECTS && !c->written &&
		v->pos[VALUE_TEXT] < v->text_end &&
		(size_t)nrefs * PREDICT_REF_MAX <= room;
}

/* Adds an object with references o->refs[0 .. o->nrefs); nrefs is what the column says.
 * Returns how many of those references are not absent. */
uint32_t columns_put_object(struct object_columns *c, const struct snap_object *o,
			    uint32_t nrefs);
/* Adds the value of the block's object number `index`. */
void columns_put_value(struct value_columns *c, uint32_t index,
		       const struct snap_value *v);

/* The block's content and its size; once, before reset. */
const uint8_t *columns_objects_pack(struct object_columns *c, uint32_t *size_ret);
const uint8_t *columns_values_pack(struct value_columns *c, uint32_t *size_ret);

#endif
