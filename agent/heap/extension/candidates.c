/* SPDX-License-Identifier: MIT */
/* candidates - see candidates.h. */
#include "agent/heap/extension/candidates.h"

#include <string.h>

#include "agent/heap/extension/state.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/object/instances.h"

enum {
	CANDIDATES_FIRST = 1 << 16,
	CANDIDATES_MAX = 1 << 24,
	CANDIDATES_BODY = 16 << 10, /* bytes of an object looked at */
};

uint64_t candidates_body(const struct walk *w, const struct walk_type *type, uint64_t obj)
{
	uint64_t size = type->itemsize ? instances_body(w, type, obj) : type->basicsize;

	return size < CANDIDATES_BODY ? size & ~7ull : CANDIDATES_BODY;
}

static bool candidates_add(struct walk *w, uint64_t obj)
{
	struct candidates *c = w->specialists->candidates;

	if (c->count == c->capacity) {
		const uint32_t capacity =
			c->capacity ? 2 * c->capacity : CANDIDATES_FIRST;
		uint64_t *list = capacity > CANDIDATES_MAX ?
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
	c->list[c->count++] = obj;
	return true;
}

/* Right after obj was written. */
static void candidates_note(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const uint64_t end = obj + candidates_body(w, type, obj);

	if (type->known_native)
		type->known_native(w, type, obj);
	for (uint64_t at = obj + w->lay->head; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at);

		if (peek_plausible(word) && !(word & 7) && !marks_test(&w->marks, word)) {
			candidates_add(w, obj);
			return;
		}
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

void candidates_plan(struct walk *w, struct walk_type *type)
{
	const uint64_t base = type->native_base;

	/* a small image has no more than what is read of Python itself */
	if (!w->options->in_copy || (PEEK_IN_IMAGE && !w->memory) || type->opaque ||
	    !base || base == CPYTHON_ADDR(w->py, object_type) ||
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
