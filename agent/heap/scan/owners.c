/* SPDX-License-Identifier: MIT */
/* owners - see owners.h. */
#include "agent/heap/scan/owners.h"

#include <string.h>

#include "agent/heap/core/types.h"

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

bool owners_related(struct walk *w, uint64_t a, uint64_t b)
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

bool owners_index(struct walk *w, struct owners *o)
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

uint32_t owners_find(const struct owners *o, uint64_t obj)
{
	return o->index[owners_slot(o, obj)];
}
