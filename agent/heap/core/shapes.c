/* SPDX-License-Identifier: MIT */
/* shapes - how references are labelled: each list of labels once. */
#include <errno.h>
#include <string.h>

#include "agent/heap/core/tables.h"

/* What the table keeps of a shape; compared and hashed as bytes. */
struct shape_key {
	uint32_t nfixed;
	uint32_t tail;
	struct {
		uint32_t kind, name;
	} fixed[];
};

static bool same_shape(const struct table_slot *slot, const void *key, size_t size)
{
	return slot->size == size && !memcmp(peek_ptr(slot->key), key, size);
}

static void fill_key(struct shape_key *key, const struct snap_label *fixed,
		     uint32_t nfixed, uint8_t tail)
{
	key->nfixed = nfixed;
	key->tail = tail;
	for (uint32_t i = 0; i < nfixed; i++) {
		key->fixed[i].kind = fixed[i].kind;
		key->fixed[i].name = fixed[i].name;
	}
}

uint32_t walk_shape(struct walk *w, const struct snap_label *fixed, uint32_t nfixed,
		    uint8_t tail)
{
	struct walk_tables *t = w->tables;
	size_t size = sizeof(struct shape_key) +
		nfixed * sizeof(((struct shape_key *)0)->fixed[0]);
	struct shape_key *key;
	struct table_slot *slot;
	struct snap_shape shape;
	uint64_t hash;

	if (!nfixed && tail == SNAP_TAIL_OTHER)
		return 0;
	key = arena_alloc(w->arena, size);
	if (!key || !table_reserve(w, &t->shapes)) {
		walk_check(w, -ENOMEM);
		return 0;
	}
	fill_key(key, fixed, nfixed, tail);
	hash = table_hash(key, size);
	slot = table_find(&t->shapes, hash, same_shape, key, size);
	if (slot->hash) {
		if (w->arena->pos == (char *)key + ((size + 15) & ~(size_t)15)) {
			memset(key, 0, size); /* the arena hands out zeroed memory */
			w->arena->pos = (char *)key;
		}
		return slot->id;
	}
	*slot = (struct table_slot){ hash, (uintptr_t)key, (uint32_t)size,
				     ++t->next_shape };
	t->shapes.count++;
	shape = (struct snap_shape){ slot->id, nfixed, fixed, tail };
	WALK_SEND(w, shape, &shape);
	return slot->id;
}
