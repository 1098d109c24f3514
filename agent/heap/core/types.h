/* SPDX-License-Identifier: MIT */
/*
 * types - the table of Python types: one record each, made when its first instance is
 * met.
 *
 * The record holds all that can be decided once: name, kind, how big an instance
 * is, where its references are.  So the sweep spends nothing on it per object.  What
 * it says is decided above (object/plan.h), by the walk's hook.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_TYPES_H
#define PYMEM_AGENT_HEAP_CORE_TYPES_H

#include "agent/heap/core/context.h"
#include "agent/heap/core/table.h"

enum { TYPES_CACHE = 4096 };

struct types {
	struct table table;
	uint32_t next;
	struct walk_type *cache[TYPES_CACHE]; /* direct mapped by address; never NULL */
	struct walk_type **by_id;	      /* index = id */
	uint32_t by_id_capacity;
	struct walk_type broken; /* returned when memory ran out */
};

/* 0 or -ENOMEM. */
int types_begin(struct walk *w);

/* As types_get, without its cache. */
struct walk_type *types_find(struct walk *w, uint64_t type);

/* The record of a type, made (and its strings, shapes, type event emitted) when
 * first seen; the type object is queued.  Never NULL: on failure w->err is set
 * and a type without edges is returned. */
static inline struct walk_type *types_get(struct walk *w, uint64_t type)
{
	struct walk_type *t = w->types->cache[(type >> 4) & (TYPES_CACHE - 1)];

	if (__builtin_expect(t->addr == type, 1))
		return t;
	return types_find(w, type);
}

/* Of an object. */
static inline struct walk_type *types_of(struct walk *w, uint64_t obj)
{
	return types_get(w, object_type(w->lay, obj));
}

/* Iterates the records in order of id; NULL beyond the last. */
struct walk_type *types_by_id(const struct walk *w, uint32_t id);

#endif
