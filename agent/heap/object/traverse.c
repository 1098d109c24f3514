/* SPDX-License-Identifier: MIT */
/*
 * traverse - what a type's own tp_traverse says of an object.
 *
 * The call is the collector's own: tp_traverse(self, visit, arg) with a plain C
 * callback.  It tells addresses without names; those that we know from slots and
 * members already are dropped one for one, so that each reference is sent once.
 */
#include <errno.h>
#include <string.h>

#include "agent/heap/core/walk_internal.h"

enum { FEW = 64 };

/* visitproc: int visit(PyObject *, void *arg). */
static int visit(void *object, void *arg)
{
	struct walk *w = arg;

	if (object) {
		if (w->nrefs == w->refs_capacity)
			walk_refs_grow(w);
		if (w->nrefs < w->refs_capacity)
			w->refs[w->nrefs++] = (uintptr_t)object;
	}
	return 0;
}

void walk_refs_grow(struct walk *w)
{
	uint32_t capacity = w->refs_capacity ? w->refs_capacity * 2 : 1 << 14;
	uint64_t *bigger;

	if (w->err || capacity > 1u << 31) {
		walk_check(w, -ENOMEM);
		return;
	}
	bigger = arena_map(w->arena, capacity * sizeof(*bigger));
	if (!bigger) {
		walk_check(w, -ENOMEM);
		return;
	}
	if (w->refs) {
		memcpy(bigger, w->refs, w->nrefs * sizeof(*bigger));
		arena_unmap(w->arena, w->refs, w->refs_capacity * sizeof(*w->refs));
	}
	w->refs = bigger;
	w->refs_capacity = capacity;
}

/* Known references are few: a bit for each that was met. */
static uint32_t drop_few(struct walk *w, uint32_t known, uint32_t end)
{
	uint64_t met = 0;
	uint32_t out = known, k;

	for (uint32_t i = known; i < end; i++) {
		uint64_t ref = w->refs[i];

		for (k = 0; k < known; k++)
			if (w->refs[k] == ref && !(met >> k & 1))
				break;
		if (k < known)
			met |= 1ULL << k;
		else
			w->refs[out++] = ref;
	}
	return out;
}

/* Many: a hash table of how often each is known. */
static uint32_t drop_many(struct walk *w, uint32_t known, uint32_t end)
{
	struct {
		uint64_t ref;
		uint64_t times;
	} * table;
	uint32_t capacity = 256, out = known, at;

	while (capacity < known * 2u)
		capacity *= 2;
	table = arena_map(w->arena, capacity * sizeof(*table));
	if (!table) {
		walk_check(w, -ENOMEM);
		return end;
	}
	for (uint32_t i = 0; i < end; i++) {
		uint64_t ref = w->refs[i];

		at = (uint32_t)((ref >> 4) * 0x9e3779b1u) & (capacity - 1);
		while (table[at].ref && table[at].ref != ref)
			at = (at + 1) & (capacity - 1);
		if (i < known && ref) {
			table[at].ref = ref;
			table[at].times++;
		} else if (i >= known) {
			if (table[at].ref && table[at].times)
				table[at].times--;
			else
				w->refs[out++] = ref;
		}
	}
	arena_unmap(w->arena, table, capacity * sizeof(*table));
	return out;
}

/* The instance's own reference to its type is implied by SNAP_TYPE_OWNED. */
static uint32_t drop_type(struct walk *w, const struct walk_type *type, uint32_t from,
			  uint32_t end)
{
	for (uint32_t i = from; i < end; i++) {
		if (w->refs[i] != type->addr)
			continue;
		memmove(&w->refs[i], &w->refs[i + 1], (end - i - 1) * sizeof(w->refs[0]));
		return end - 1;
	}
	return end;
}

/* May tp_traverse be called on obj?  Not on static types (it aborts the process),
 * not for types on the skip list. */
static bool traverse_allowed(const struct walk_type *type, uint64_t obj)
{
	union {
		uint64_t p;
		int (*fn)(uint64_t);
	} is_gc = { type->is_gc };

	if (!type->traverse || type->opaque || !(type->flags & SNAP_TYPE_GC))
		return false;
	return !type->is_gc || type->traverse_always || is_gc.fn(obj);
}

void walk_traverse(struct walk *w, struct walk_type *type, uint64_t obj)
{
	union {
		uint64_t p;
		int (*fn)(uint64_t, int (*)(void *, void *), void *);
	} traverse = { type->traverse };
	uint32_t known = w->nrefs, end;

	if (!traverse_allowed(type, obj))
		return;
	walk_position.type_name = type->name_text;
	walk_position.object = obj;
	traverse.fn(obj, visit, w);
	walk_position.object = 0;
	end = w->nrefs;
	if (type->flags & SNAP_TYPE_OWNED)
		end = drop_type(w, type, known, end);
	if (known)
		end = known <= FEW ? drop_few(w, known, end) : drop_many(w, known, end);
	w->nrefs = end;
	for (uint32_t i = known; i < end && !w->marking_off; i++)
		walk_mark(w, w->refs[i]);
}
