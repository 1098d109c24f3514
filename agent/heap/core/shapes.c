/* SPDX-License-Identifier: MIT */
/* shapes - see shapes.h. */
#include "agent/heap/core/shapes.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/queue.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/core/table.h"

enum { SHAPES_KEYS = 1024 };

/* What the table keeps of a shape; compared and hashed as bytes. */
struct shape_key {
	uint32_t nfixed;
	uint32_t tail;
	struct {
		uint32_t kind, name;
	} fixed[];
};

/* Shape of a split dict, by its shared keys. */
struct shape_of_keys {
	uint64_t keys;
	uint32_t nentries, shape;
};

struct shapes {
	struct table table;
	uint32_t next;
	struct shape_of_keys keys[SHAPES_KEYS];
};

int shapes_begin(struct walk *w)
{
	struct snap_label none = { 0 };

	w->shapes = arena_alloc(w->arena, sizeof(*w->shapes));
	if (!w->shapes)
		return -ENOMEM;
	w->shape_index = shapes_add(w, &none, 0, SNAP_TAIL_INDEX);
	w->shape_pairs = shapes_add(w, &none, 0, SNAP_TAIL_PAIRS);
	w->shape_element = shapes_add(w, &none, 0, SNAP_TAIL_ELEMENT);
	w->shape_other = 0;
	return w->err;
}

static void shapes_fill(struct shape_key *key, const struct snap_label *fixed,
			uint32_t nfixed, uint8_t tail)
{
	key->nfixed = nfixed;
	key->tail = tail;
	for (uint32_t i = 0; i < nfixed; i++) {
		key->fixed[i].kind = fixed[i].kind;
		key->fixed[i].name = fixed[i].name;
	}
}

uint32_t shapes_add(struct walk *w, const struct snap_label *fixed, uint32_t nfixed,
		    uint8_t tail)
{
	struct shapes *shapes = w->shapes;
	size_t size = sizeof(struct shape_key) +
		nfixed * sizeof(((struct shape_key *)0)->fixed[0]);
	struct shape_key *key;
	struct table_slot *slot;
	struct snap_shape shape;
	uint64_t hash;

	if (!nfixed && tail == SNAP_TAIL_OTHER)
		return 0;
	key = arena_alloc(w->arena, size);
	if (!key || !table_reserve(&shapes->table, w->arena)) {
		context_check(w, -ENOMEM);
		return 0;
	}
	shapes_fill(key, fixed, nfixed, tail);
	hash = table_hash(key, size);
	slot = table_find(&shapes->table, hash, key, size);
	if (slot->hash) {
		if (w->arena->pos == (char *)key + ((size + 15) & ~(size_t)15)) {
			memset(key, 0, size); /* the arena hands out zeroed memory */
			w->arena->pos = (char *)key;
		}
		return slot->id;
	}
	*slot = (struct table_slot){ hash, (uintptr_t)key, (uint32_t)size,
				     ++shapes->next };
	shapes->table.count++;
	shape = (struct snap_shape){ slot->id, nfixed, fixed, tail };
	EVENTS_SEND(w, shape, &shape);
	return slot->id;
}

uint32_t shapes_of_keys(struct walk *w, const struct dict_table *t)
{
	struct shape_of_keys *cached = &w->shapes->keys[(t->keys >> 4) % SHAPES_KEYS];
	struct snap_label *labels;
	uint32_t n = (uint32_t)t->nentries;

	if (cached->keys == t->keys && cached->nentries == n)
		return cached->shape;
	labels = context_alloc(w, (n + 1) * sizeof(*labels));
	if (!labels)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t key = peek64(t->entries + (uint64_t)i * t->stride);

		labels[i] = (struct snap_label){ SNAP_LABEL_VALUE,
						 key ? strings_add_object(w, key) : 0 };
		if (key)
			queue_add(w, key); /* the class owns it; kept if it is no more */
	}
	cached->shape = shapes_add(w, labels, n, SNAP_TAIL_OTHER);
	cached->keys = t->keys;
	cached->nentries = n;
	return cached->shape;
}
