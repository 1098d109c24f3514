/* SPDX-License-Identifier: MIT */
/* types - see types.h. */
#include "agent/heap/core/types.h"

#include <string.h>

#include "agent/heap/core/queue.h"

enum { TYPES_FIRST = 1024 };

static void types_no_emit(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)w, (void)type, (void)obj;
}

static uint64_t types_no_size(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)w, (void)type, (void)obj;
	return 0;
}

int types_begin(struct walk *w)
{
	struct types *types = arena_map(w->arena, sizeof(*types));

	if (!types)
		return -ENOMEM;
	types->broken.emit = types_no_emit;
	types->broken.size = types_no_size;
	types->broken.name_text = "?";
	types->broken.addr = UINT64_MAX; /* no object's */
	for (unsigned i = 0; i < TYPES_CACHE; i++)
		types->cache[i] = &types->broken;
	w->types = types;
	return 0;
}

/* Room for one more id in by_id. */
static bool types_reserve_id(struct walk *w)
{
	struct types *t = w->types;
	uint32_t capacity = t->by_id_capacity ? t->by_id_capacity * 2 : TYPES_FIRST;
	struct walk_type **bigger;

	if (t->next + 1 < t->by_id_capacity)
		return true;
	bigger = arena_map(w->arena, capacity * sizeof(*bigger));
	if (!bigger)
		return false;
	if (t->by_id)
		memcpy(bigger, t->by_id, t->by_id_capacity * sizeof(*bigger));
	t->by_id = bigger;
	t->by_id_capacity = capacity;
	return true;
}

static struct walk_type *types_make(struct walk *w, uint64_t type,
				    struct table_slot *slot)
{
	struct types *types = w->types;
	struct walk_type *t = arena_alloc(w->arena, sizeof(*t));

	if (!t || !types_reserve_id(w)) {
		context_check(w, -ENOMEM);
		return &types->broken;
	}
	t->addr = type;
	t->id = ++types->next;
	types->by_id[t->id] = t;
	*slot = (struct table_slot){ type, (uintptr_t)t, 0, t->id };
	types->table.count++;
	queue_add(w, type);
	w->hooks->plan(w, t);
	return t;
}

struct walk_type *types_find(struct walk *w, uint64_t type)
{
	struct types *types = w->types;
	struct table_slot *slot;
	struct walk_type *t;

	if (!table_reserve(&types->table, w->arena)) {
		context_check(w, -ENOMEM);
		return &types->broken;
	}
	slot = table_find_key(&types->table, type);
	t = slot->hash ? (struct walk_type *)(uintptr_t)slot->key :
			 types_make(w, type, slot);
	types->cache[(type >> 4) & (TYPES_CACHE - 1)] = t;
	return t;
}

struct walk_type *types_by_id(const struct walk *w, uint32_t id)
{
	return id && id <= w->types->next ? w->types->by_id[id] : NULL;
}
