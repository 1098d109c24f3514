/* SPDX-License-Identifier: MIT */
/* table - see table.h. */
#include "agent/heap/core/table.h"

#include <string.h>

enum { TABLE_FIRST = 1024 };

uint64_t table_hash(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ size, v;

	for (; size >= 8; size -= 8, p += 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, p, size);
	h = (h ^ v) * 0xc4ceb9fe1a85ec53ULL;
	h ^= h >> 29;
	return h ? h : 1;
}

bool table_reserve(struct table *table, struct arena *arena)
{
	struct table_slot *old = table->slots, *slots;
	uint32_t capacity = table->capacity ? table->capacity * 2 : TABLE_FIRST;

	if (table->count < table->capacity - table->capacity / 3)
		return true;
	slots = arena_map(arena, capacity * sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 0; i < table->capacity; i++) {
		uint32_t at = (uint32_t)old[i].hash & (capacity - 1);

		if (!old[i].hash)
			continue;
		while (slots[at].hash)
			at = (at + 1) & (capacity - 1);
		slots[at] = old[i];
	}
	if (old)
		arena_unmap(arena, old, table->capacity * sizeof(*old));
	table->slots = slots;
	table->capacity = capacity;
	return true;
}

struct table_slot *table_find(struct table *table, uint64_t hash, const void *key,
			      size_t size)
{
	uint32_t at = (uint32_t)hash & (table->capacity - 1);
	const struct table_slot *slot;

	for (; (slot = &table->slots[at])->hash; at = (at + 1) & (table->capacity - 1))
		if (slot->hash == hash && slot->size == size &&
		    !memcmp((const void *)(uintptr_t)slot->key, key, size))
			break;
	return &table->slots[at];
}

struct table_slot *table_find_key(struct table *table, uint64_t key)
{
	uint32_t at = (uint32_t)key & (table->capacity - 1);

	while (table->slots[at].hash && table->slots[at].hash != key)
		at = (at + 1) & (table->capacity - 1);
	return &table->slots[at];
}
