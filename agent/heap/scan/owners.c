/* SPDX-License-Identifier: MIT */
/* owners - see owners.h. */
#include "agent/heap/scan/owners.h"

#include <string.h>

#include "agent/heap/core/specialist.h"
#include "agent/heap/core/types.h"
#include "agent/heap/extension/candidates.h"

enum { OWNERS_FIRST = 1 << 12, OWNERS_MAX = 1 << 26 };

uint32_t owners_add(struct walk *w, struct owners *o, const struct owner *owner)
{
	if (o->count + 1 >= o->capacity) {
		const uint32_t capacity = o->capacity ? 2 * o->capacity : OWNERS_FIRST;
		struct owner *list = capacity > OWNERS_MAX ?
			NULL :
			arena_map(w->arena, capacity * sizeof(*list));

		if (!list)
			return 0;
		if (o->list) {
			memcpy(list, o->list, (o->count + 1) * sizeof(*list));
			arena_unmap(w->arena, o->list, o->capacity * sizeof(*list));
		}
		o->list = list;
		o->capacity = capacity;
	}
	o->list[++o->count] = *owner;
	return o->count;
}

/* "sqlite3" for _sqlite3.Connection and for a Python subclass of sqlite3.Connection. */
static size_t owners_package(struct walk *w, uint64_t obj, const char **ret)
{
	const char *name = types_get(w, types_of(w, obj)->native_base)->name_text;

	while (*name == '_')
		name++;
	*ret = name;
	return strcspn(name, ".");
}

/* Is the C code of both objects' types of one library?  Only then does a reference tell
 * which is a part of the other: a connection that has a cache is no part of that. */
static bool owners_related(struct walk *w, uint64_t a, uint64_t b)
{
	const char *name_a, *name_b;
	const size_t size = owners_package(w, a, &name_a);

	return size == owners_package(w, b, &name_b) && !memcmp(name_a, name_b, size);
}

static uint32_t owners_slot(const struct owners *o, uint64_t obj)
{
	uint32_t slot = (uint32_t)((obj >> 4) * 0x9e3779b97f4a7c15u >> 32) & o->mask;

	while (o->index[slot] && o->list[o->index[slot]].obj != obj)
		slot = (slot + 1) & o->mask;
	return slot;
}

static bool owners_index(struct walk *w, struct owners *o)
{
	uint32_t size = 64;

	while (size < 2 * o->count)
		size *= 2;
	o->mask = size - 1;
	o->index = arena_map(w->arena, size * sizeof(*o->index));
	for (uint32_t i = 1; o->index && i <= o->count; i++)
		o->index[owners_slot(o, o->list[i].obj)] = i;
	return o->index != NULL;
}

static uint32_t owners_find(const struct owners *o, uint64_t obj)
{
	return o->index[owners_slot(o, obj)];
}

bool owners_add_object(struct walk *w, struct owners *o, uint64_t obj)
{
	if (!types_of(w, obj)->owners++ && o->types < OWNERS_TYPES - 1)
		o->sample[++o->types] = obj;
	return owners_add(w, o, &(struct owner){ .obj = obj }) != 0;
}

bool owners_is_flat(struct walk *w, const struct owner *owner)
{
	const struct specialist *special =
		owner->obj ? types_of(w, owner->obj)->specialist : NULL;

	return special && special->memory == SPECIALIST_FLAT;
}

/* ---- their order ---- */

/* Above all owners that an object refers to; true: it has moved. */
static bool owners_raise(struct walk *w, const struct owners *o, struct owner *owner)
{
	const uint64_t obj = owner->obj;
	const uint64_t end = obj + candidates_body(w, types_of(w, obj), obj);
	const uint8_t before = owner->level;

	for (uint64_t at = obj + w->lay->head; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at);
		uint32_t other;

		if (word == obj || !marks_test(&w->marks, word))
			continue;
		other = owners_find(o, word);
		if (other && o->list[other].level >= owner->level &&
		    owners_related(w, obj, word))
			owner->level = o->list[other].level + 1;
	}
	if (owner->level >= OWNERS_LEVELS)
		owner->level = OWNERS_LEVELS - 1;
	return owner->level != before;
}

/* Of two types of a library, the one with fewer instances has what both lead to: a
 * connection of which there are many statements. */
static void owners_rank(struct walk *w, const struct owners *o)
{
	for (uint32_t i = 1; i <= o->types; i++) {
		struct walk_type *const type = types_of(w, o->sample[i]);

		type->rank = 0;
		for (uint32_t k = 1; k <= o->types; k++)
			if (type->rank < OWNERS_RANKS - 1 &&
			    types_of(w, o->sample[k])->owners < type->owners &&
			    owners_related(w, o->sample[i], o->sample[k]))
				type->rank++;
	}
}

bool owners_order(struct walk *w, struct owners *o)
{
	bool moved = true;

	owners_rank(w, o);
	if (!owners_index(w, o))
		return false;
	for (int round = 0; round < OWNERS_LEVELS && moved; round++) {
		moved = false;
		for (uint32_t i = 1; i <= o->count; i++)
			moved |= owners_raise(w, o, &o->list[i]);
	}
	return true;
}
