/* SPDX-License-Identifier: MIT */
/*
 * table - open-addressing hash tables in an arena, which double when two thirds full:
 * what the walk has met and given an id.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_TABLE_H
#define PYMEM_AGENT_HEAP_CORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"

struct table_slot {
	uint64_t hash; /* 0 = free */
	uint64_t key;  /* address of the entry's content in our memory, or the key */
	uint32_t size;
	uint32_t id;
};

struct table {
	struct table_slot *slots;
	uint32_t count, capacity; /* capacity: a power of two, or 0 */
};

/* Room for one more; false when memory ran out. */
bool table_reserve(struct table *table, struct arena *arena);
/* The slot of this hash whose content is key[0..size), or a free one. */
struct table_slot *table_find(struct table *table, uint64_t hash, const void *key,
			      size_t size);
/* ... of this key, which is its own hash. */
struct table_slot *table_find_key(struct table *table, uint64_t key);
/* A 64-bit hash of some bytes, never 0. */
uint64_t table_hash(const void *data, size_t size);

#endif
