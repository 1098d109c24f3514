/* SPDX-License-Identifier: MIT */
/*
 * references - see references.h.
 *
 * The call of tp_traverse is the collector's own: tp_traverse(self, visit, arg) with a
 * plain C callback.  It tells addresses without names; those that we know from slots and
 * members already are dropped one for one, so that each reference is sent once.
 */
#include "agent/heap/core/references.h"

#include <string.h>

#include "agent/heap/core/position.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/specialist.h"
#include "agent/python/call.h"

enum {
	REFERENCES_FIRST = 1 << 14,
	REFERENCES_FEW = 64,
	REFERENCES_TAG = 7,
	REFERENCES_SEARCHED = 4096, /* bytes of an instance */
};

/* A call_visit_fn. */
static int references_visit(void *object, void *arg)
{
	struct walk *w = arg;

	if (object) {
		if (w->nrefs == w->refs_capacity)
			references_make_room(w);
		if (w->nrefs < w->refs_capacity)
			w->refs[w->nrefs++] = (uintptr_t)object;
	}
	return 0;
}

void references_make_room(struct walk *w)
{
	uint32_t capacity = w->refs_capacity ? w->refs_capacity * 2 : REFERENCES_FIRST;
	uint64_t *bigger;

	if (w->err || capacity > 1u << 31) {
		context_check(w, -ENOMEM);
		return;
	}
	bigger = arena_map(w->arena, capacity * sizeof(*bigger));
	if (!bigger) {
		context_check(w, -ENOMEM);
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
static uint32_t references_drop_few(struct walk *w, uint32_t known, uint32_t end)
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
static uint32_t references_drop_many(struct walk *w, uint32_t known, uint32_t end)
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
		context_check(w, -ENOMEM);
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
static uint32_t references_drop_type(struct walk *w, const struct walk_type *type,
				     uint32_t from, uint32_t end)
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
static bool references_may_traverse(const struct walk_type *type, uint64_t obj)
{
	if (!type->traverse || type->complete || type->opaque ||
	    !(type->flags & SNAP_TYPE_GC))
		return false;
	return !type->is_gc || type->traverse_always || call_is_gc(type->is_gc, obj);
}

uint64_t references_slot(struct walk *w, const struct walk_slot *slot, uint64_t obj)
{
	uint64_t block = obj;

	if (slot->via) {
		block = peek64(obj + slot->via);
		if (!peek_plausible(block) || (block & 7) ||
		    !ranges_readable(w, block + slot->offset, 8))
			return 0;
	}
	return peek64(block + slot->offset);
}

uint64_t references_slot_traversed(struct walk *w, const struct walk_slot *slot,
				   uint64_t obj)
{
	return references_slot(w, slot, obj) & ~(uint64_t)REFERENCES_TAG;
}

/* In an image nobody can be asked: what the tables say tp_traverse tells, if it is
 * an object. */
static void references_of_fields(struct walk *w, struct walk_type *type, uint64_t obj)
{
	for (uint32_t i = 0; i < type->nslots; i++) {
		const struct walk_slot *slot = &type->slots[i];
		uint64_t word;

		if (!(slot->flags & WALK_SLOT_TRAVERSED))
			continue;
		word = references_slot_traversed(w, slot, obj);
		if (word && sound_object(w, word))
			references_add(w, word);
	}
}

/* Is the word at this offset told by a slot, or no reference of the kind? */
static bool references_offset_known(const struct walk_type *type, uint64_t offset)
{
	if (type->dictoffset > 0 && offset == (uint64_t)type->dictoffset)
		return true;
	for (uint32_t i = 0; i < type->nslots; i++)
		if (!type->slots[i].via && type->slots[i].offset == offset)
			return true;
	return false;
}

/*
 * ... and what no table knows: each word of the instance's own that is the address of an
 * object is taken for a reference.  Borrowed pointers look the same.
 */
static void references_search(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const uint64_t weak = peek64(type->addr + w->lay->tp_weaklistoffset);
	const uint64_t itemsize = peek64(type->native_base + w->lay->tp_itemsize);
	uint64_t size = peek64(type->native_base + w->lay->tp_basicsize), word;

	if (type->specialist && type->specialist->untold) {
		type->specialist->untold(w, obj);
		return;
	}
	if (itemsize == 8 && peek64(obj + w->lay->head) < REFERENCES_SEARCHED / 8)
		size += 8 * peek64(obj + w->lay->head);
	if (!type->searched) {
		type->searched = true;
		w->stats.scanned_types++;
	}
	if (size > REFERENCES_SEARCHED)
		size = REFERENCES_SEARCHED;
	for (uint64_t at = w->lay->head; at + 8 <= size; at += 8) {
		if (at == weak || references_offset_known(type, at))
			continue;
		word = peek64(obj + at);
		if (word && word != obj && sound_object(w, word))
			references_add(w, word);
	}
}

/* Has it, or a base, C code that tells references which no table knows? */
static bool references_are_hidden(const struct walk *w, const struct walk_type *type)
{
	const uint64_t traverse = peek64(type->native_base + w->lay->tp_traverse);

	if (type->specialist && type->specialist->untold)
		return true;
	return (type->kind == SNAP_KIND_OBJECT || type->kind == SNAP_KIND_EXCEPTION) &&
		!type->specialist && traverse && traverse != w->lay->subtype_traverse;
}

void references_traverse(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint32_t known = w->nrefs, end;

	if (!references_may_traverse(type, obj))
		return;
	if (!call_possible()) {
		references_of_fields(w, type, obj);
		if (w->options->scan_unknown && references_are_hidden(w, type))
			references_search(w, type, obj);
		return;
	}
	position_enter(obj, type->name_text);
	call_traverse(type->traverse, obj, references_visit, w);
	position_leave();
	end = w->nrefs;
	if (type->flags & SNAP_TYPE_OWNED)
		end = references_drop_type(w, type, known, end);
	if (known)
		end = known <= REFERENCES_FEW ? references_drop_few(w, known, end) :
						references_drop_many(w, known, end);
	w->nrefs = end;
}
