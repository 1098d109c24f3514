/* SPDX-License-Identifier: MIT */
/* names - see names.h. */
#include "agent/heap/object/names.h"

#include <string.h>

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/object/slots.h"
#include "agent/python/dict.h"

enum {
	NAMES_LEARNED_MAX = 64,
	NAMES_TAG = 7,
	NAMES_GUESSES = 256, /* instances of a type that are looked at */
	NAMES_GUESS_SIZE = 1024,
	NAMES_REST_MAX = 512,
};

/* ---- one object ---- */

static void names_take(struct walk *w, uint32_t to, uint32_t from)
{
	w->refs[to] = w->refs[from];
	memmove(&w->refs[from], &w->refs[from + 1],
		(w->nrefs - from - 1) * sizeof(w->refs[0]));
	w->nrefs--;
}

void names_claim(struct walk *w, const struct walk_type *type, uint64_t obj,
		 uint32_t first, uint32_t known)
{
	for (uint32_t i = 0; i < type->nslots && w->nrefs > known && !w->err; i++) {
		const struct walk_slot *slot = &type->slots[i];
		uint64_t word;

		if (!(slot->flags & WALK_SLOT_TRAVERSED))
			continue;
		word = references_slot_traversed(w, slot, obj);
		for (uint32_t k = known; k < w->nrefs && word; k++)
			if (w->refs[k] == word) {
				names_take(w, first + i, k);
				break;
			}
	}
}

/* ---- learning ---- */

static bool names_is_slot(const struct walk_type *type, uint64_t offset)
{
	if (type->dictoffset == (int64_t)offset)
		return true;
	for (uint32_t i = 0; i < type->nslots; i++)
		if (type->slots[i].offset == offset && !type->slots[i].via)
			return true;
	return false;
}

/* "+40", or "+40?" when it is a guess. */
static uint32_t names_of_offset(struct walk *w, uint64_t offset, bool guess)
{
	char text[24], *at = text + sizeof(text);
	size_t size;

	if (guess)
		*--at = '?';
	do
		*--at = (char)('0' + offset % 10);
	while (offset /= 10);
	*--at = '+';
	size = (size_t)(text + sizeof(text) - at);
	return strings_add(w, at, size);
}

static bool names_add_slot(struct walk *w, struct walk_type *type, uint64_t offset,
			   uint8_t flags)
{
	struct walk_slot *slots =
		arena_alloc(w->arena, (type->nslots + 2) * sizeof(*slots));

	if (!slots) {
		context_check(w, -ENOMEM);
		return false;
	}
	memcpy(slots, type->slots, type->nslots * sizeof(*slots));
	slots[type->nslots++] =
		(struct walk_slot){ .offset = (uint32_t)offset,
				    .kind = SNAP_LABEL_OTHER,
				    .flags = flags,
				    .name = names_of_offset(w,
							    offset - object_extra(w->lay),
							    flags & WALK_SLOT_CHECK) };
	type->slots = slots;
	type->learned++;
	return true;
}

static uint64_t names_fields_end(const struct walk *w, const struct walk_type *type)
{
	return type->native_base == type->addr ?
		type->basicsize :
		peek64(type->native_base + w->lay->tp_basicsize);
}

/* The field of obj's own C structure that holds ref; 0 = none that is not known. */
static uint64_t names_field_of(struct walk *w, const struct walk_type *type, uint64_t obj,
			       uint64_t ref)
{
	uint64_t end = names_fields_end(w, type);

	for (uint64_t at = w->lay->head; at + 8 <= end; at += 8)
		if ((peek64(obj + at) & ~(uint64_t)NAMES_TAG) == ref &&
		    !names_is_slot(type, at))
			return at;
	return 0;
}

bool names_learn(struct walk *w, struct walk_type *type, uint64_t obj, uint32_t known)
{
	bool learned = false;

	if (type->tail != SNAP_TAIL_OTHER || type->kind == SNAP_KIND_TUPLE)
		return false;
	for (uint32_t k = known; k < w->nrefs && type->learned < NAMES_LEARNED_MAX; k++) {
		uint64_t at = names_field_of(w, type, obj, w->refs[k]);

		if (at && names_add_slot(w, type, at, WALK_SLOT_TRAVERSED))
			learned = true;
	}
	if (learned)
		slots_shapes(w, type);
	return learned && !w->err;
}

/* The standard library's types are all known; a guess at their padding or at a field
 * that was never set could only be wrong. */
bool names_must_guess(struct walk *w, const struct walk_type *type)
{
	uint64_t base = type->native_base;

	return base && !object_type_has(w->lay, base, TYPE_HAVE_GC) &&
		!ranges_ship_with_python(w, peek64(base + w->lay->tp_dealloc)) &&
		(type->kind == SNAP_KIND_OBJECT || type->kind == SNAP_KIND_BUILTIN) &&
		names_fields_end(w, type) > w->lay->head;
}

bool names_guess(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t end = names_fields_end(w, type), weak, word;
	bool learned = false;

	if (++type->count > NAMES_GUESSES || type->learned == NAMES_LEARNED_MAX ||
	    end > NAMES_GUESS_SIZE)
		return false;
	weak = peek64(type->addr + w->lay->tp_weaklistoffset);
	for (uint64_t at = w->lay->head; at + 8 <= end; at += 8) {
		word = peek64(obj + at);
		if (at != weak && word != obj && peek_plausible(word) && !(word & 7) &&
		    !names_is_slot(type, at) && sound_object(w, word) &&
		    names_add_slot(w, type, at, WALK_SLOT_CHECK))
			learned = true;
	}
	if (learned)
		slots_shapes(w, type);
	return learned && !w->err;
}

/* ---- the rest ---- */

uint32_t names_rest_shape(struct walk *w, const struct walk_type *type, uint32_t shape,
			  uint32_t fixed, uint32_t n)
{
	struct snap_label labels[NAMES_REST_MAX];
	uint32_t i = 0;
	struct dict_table t = { 0 };

	if (n > NAMES_REST_MAX || fixed + n > NAMES_REST_MAX)
		return shape;
	for (; i < type->nslots && i < fixed; i++)
		labels[i] =
			(struct snap_label){ type->slots[i].kind, type->slots[i].name };
	if (i < fixed)
		labels[i++] = (struct snap_label){ SNAP_LABEL_DICT, 0 };
	if (i < fixed && type->cached_keys)
		dict_keys_table(w->lay, type->cached_keys, &t);
	for (uint32_t k = 0; i < fixed; i++, k++) {
		uint64_t key =
			k < t.nentries ? peek64(t.entries + (uint64_t)k * t.stride) : 0;

		labels[i] = (struct snap_label){ SNAP_LABEL_ATTR,
						 key ? strings_add_object(w, key) : 0 };
	}
	for (; i < fixed + n; i++)
		labels[i] = (struct snap_label){ SNAP_LABEL_OTHER, type->rest };
	return shapes_add(w, labels, i, type->tail);
}
