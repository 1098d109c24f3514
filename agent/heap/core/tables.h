/* SPDX-License-Identifier: MIT */
/*
 * tables - what the walk has met and given an id: strings, shapes, types.
 * Open-addressing hash tables in the arena that double when two thirds full.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_TABLES_H
#define PYMEM_AGENT_HEAP_CORE_TABLES_H

#include "agent/heap/core/walk_internal.h"

enum { TABLES_TYPE_CACHE = 4096, TABLES_KEYS_CACHE = 1024 };

struct table_slot {
	uint64_t hash; /* 0 = free */
	uint64_t key;  /* address of the entry's content, or the key itself */
	uint32_t size;
	uint32_t id;
};

struct table {
	struct table_slot *slots;
	uint32_t count, capacity; /* capacity: a power of two, or 0 */
};

/* Shape of a split dict, by its shared keys. */
struct keys_shape {
	uint64_t keys;
	uint32_t nentries, shape;
};

struct walk_tables {
	struct table strings, shapes, types;
	uint32_t next_string, next_shape, next_type;
	struct walk_type *cache[TABLES_TYPE_CACHE]; /* direct mapped by address */
	struct walk_type **by_id;		    /* index = id */
	uint32_t by_id_capacity;
	struct keys_shape keys[TABLES_KEYS_CACHE];
	/* interned str objects, 0 = unknown */
	uint64_t name_sizeof, name_module, name_del;
	struct walk_type broken; /* returned when memory ran out */
	char scratch[4096];
	struct snap_label labels[512]; /* scratch of names.c */
};

/* Room for one more; false when memory ran out. */
bool table_reserve(struct walk *w, struct table *table);
/* First slot of this hash for which same() holds, or a free one. */
typedef bool table_same_fn(const struct table_slot *slot, const void *key, size_t size);
struct table_slot *table_find(struct table *table, uint64_t hash, table_same_fn *same,
			      const void *key, size_t size);
/* A 64-bit hash of some bytes, never 0. */
uint64_t table_hash(const void *data, size_t size);

static inline struct walk_type *walk_type_fast(struct walk *w, uint64_t type)
{
	struct walk_type *t = w->tables->cache[(type >> 4) & (TABLES_TYPE_CACHE - 1)];

	if (__builtin_expect(t && t->addr == type, 1))
		return t;
	return walk_type_slow(w, type);
}

#endif
