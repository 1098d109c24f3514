/* SPDX-License-Identifier: MIT */
/* candidates - see candidates.h. */
#include "agent/heap/extension/candidates.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/extension/state.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/object/instances.h"
#include "agent/python/object.h"

enum {
	CANDIDATES_FIRST = 1 << 16,
	CANDIDATES_MAX = 1 << 24,
	CANDIDATES_BODY = 16 << 10, /* bytes looked at of an object that has items */
	CANDIDATES_FIXED = 1 << 20, /* ... of one that has fields alone */
	CANDIDATES_FIELDS = 64, /* words, and references, for fields that aren't told */
	CANDIDATES_TRIES = 32,	/* instances */
};

uint64_t candidates_body(const struct walk *w, const struct walk_type *type, uint64_t obj)
{
	/* items of half a word and less (a Pattern's code, an int's digits) are no
	 * pointers; bytes may be anything */
	const bool small = type->itemsize == 2 || type->itemsize == 4;
	const uint64_t size =
		type->itemsize && !small ? instances_body(w, type, obj) : type->basicsize;
	const uint64_t most = type->itemsize ? CANDIDATES_BODY : CANDIDATES_FIXED;

	return size < most ? size & ~7ull : most;
}

static bool candidates_add(struct walk *w, const struct candidate *candidate)
{
	struct candidates *c = w->specialists->candidates;

	if (c->count == c->capacity) {
		const uint32_t capacity =
			c->capacity ? 2 * c->capacity : CANDIDATES_FIRST;
		struct candidate *list = capacity > CANDIDATES_MAX ?
			NULL :
			arena_map(w->arena, capacity * sizeof(*list));

		if (!list) {
			c->full = true;
			return false;
		}
		if (c->count) {
			memcpy(list, c->list, c->count * sizeof(*list));
			arena_unmap(w->arena, c->list, c->capacity * sizeof(*list));
		}
		c->list = list;
		c->capacity = capacity;
	}
	c->list[c->count++] = *candidate;
	return true;
}

void candidates_held(struct walk *w, uint64_t owner, uint64_t target)
{
	struct candidates *c = w->specialists->candidates;
	char text[24];
	uint64_t count;

	if (!c || object_is_type(w->lay, target) ||
	    object_count(w->lay, target, &count) == OBJECT_IMMORTAL)
		return;
	if (c->holder != owner) {
		const int n = snprintf(text, sizeof(text), "0x%" PRIx64, owner);

		c->holder = owner;
		c->holder_name = strings_add(w, text, (size_t)n);
	}
	events_root(w, SNAP_ROOT_OTHER, SNAP_ROOT_CONSERVATIVE, 0, 0, c->holder_name,
		    target);
}

static bool candidates_is_told(const struct walk *w, uint64_t target)
{
	for (uint32_t i = 0; i < w->event.nrefs; i++)
		if (w->event.refs[i] == target)
			return true;
	return false;
}

/*
 * Fields that hold an object which tp_traverse leaves out (many extensions' handles;
 * those of the standard library are in python/fields.c): told as what its memory holds.
 * After some instances without any its type is believed to tell all.
 */
static void candidates_untold(struct walk *w, struct walk_type *type, uint64_t obj,
			      uint64_t end)
{
	const uint64_t weak = obj + peek64(type->addr + w->lay->tp_weaklistoffset);
	uint8_t *untold;

	if (!type->traverse || type->id >= CANDIDATES_TYPES ||
	    w->event.nrefs > CANDIDATES_FIELDS)
		return;
	untold = &w->specialists->candidates->untold[type->id];
	if (*untold == CANDIDATES_TRIES)
		return;
	if (end > obj + 8 * CANDIDATES_FIELDS)
		end = obj + 8 * CANDIDATES_FIELDS;
	for (uint64_t at = obj + w->lay->head; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at);

		if (at == weak || word == obj || word & 7 || !peek_plausible(word) ||
		    !marks_test(&w->marks, word) || candidates_is_told(w, word))
			continue;
		candidates_held(w, obj, word);
		*untold = UINT8_MAX;
	}
	*untold += *untold != UINT8_MAX;
}

/* Right after obj was written. */
static void candidates_note(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const uint64_t end = obj + candidates_body(w, type, obj),
		       weak = obj + peek64(type->addr + w->lay->tp_weaklistoffset);
	struct candidate candidate = { .obj = obj };
	bool any = false;

	candidates_untold(w, type, obj, end);
	if (type->known_native)
		type->known_native(w, type, obj);
	for (uint64_t at = obj + w->lay->head; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at), number = (at - obj) / 8;

		if (!peek_plausible(word) || word & 7 || marks_test(&w->marks, word))
			continue;
		any = true;
		if (number >= CANDIDATES_FIELDS)
			break;
		candidate.later |= at != weak ? 1ull << number : 0;
	}
	if (any)
		candidates_add(w, &candidate);
}

void candidates_later(struct walk *w, const struct candidate *candidate)
{
	for (uint64_t left = candidate->later; left; left &= left - 1) {
		const uint64_t at = candidate->obj + 8 * (unsigned)__builtin_ctzll(left);
		const uint64_t word = peek64(at);

		if (marks_test(&w->marks, word))
			candidates_held(w, candidate->obj, word);
	}
}

/* Is each word of the C structure a reference or another field that we know? */
static bool candidates_all_known(const struct walk *w, const struct walk_type *type,
				 uint64_t size)
{
	for (uint64_t at = w->lay->head; at + 8 <= size; at += 8) {
		bool known = (int64_t)at == type->dictoffset ||
			at == peek64(type->addr + w->lay->tp_weaklistoffset);

		for (uint32_t i = 0; i < type->nslots && !known; i++)
			known = !type->slots[i].via && type->slots[i].offset == at;
		if (!known)
			return false;
	}
	return true;
}

/*
 * Types of the standard library with no memory but their own, and bytes in it that nobody
 * sets: between their fields, and tzinfo's where an instance has none.  What was there
 * before may lead anywhere (Modules/_datetimemodule.c: time_alloc, datetime_alloc).
 */
static bool candidates_own_nothing(uint64_t base, const struct layout *lay)
{
	static const char *const plain[] = { "datetime.date", "datetime.time",
					     "datetime.datetime", "datetime.timedelta",
					     "datetime.timezone" };
	const char *const name = peek_text(peek64(base + lay->tp_name));

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(name, plain[i]) == 0)
			return true;
	return false;
}

void candidates_plan(struct walk *w, struct walk_type *type)
{
	const uint64_t base = type->native_base;

	/* a small image has no more than what is read of Python itself */
	if (!w->options->in_copy || (PEEK_IN_IMAGE && !w->memory) || type->opaque ||
	    !base || base == CPYTHON_ADDR(w->py, object_type) ||
	    candidates_own_nothing(base, w->lay) ||
	    (type->kind != SNAP_KIND_OBJECT && type->kind != SNAP_KIND_MODULE) ||
	    (!type->itemsize &&
	     candidates_all_known(w, type, peek64(base + w->lay->tp_basicsize))))
		return;
	if (!w->specialists->candidates)
		w->specialists->candidates =
			context_alloc(w, sizeof(*w->specialists->candidates));
	if (!w->specialists->candidates)
		return;
	type->known_native = type->native;
	type->native = candidates_note;
}
