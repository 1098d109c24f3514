/* SPDX-License-Identifier: MIT */
/* names - see names.h */
#include "agent/heap/object/names.h"

#include <errno.h>
#include <string.h>

#include "agent/heap/core/dicts.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/extension/numpy.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/tables.h"

enum {
	TP_DEALLOC = 24, /* from tp_name, PyTypeObject */
	LEARN_MAX = 64,
	TAG_BITS = 7,
	GUESSES = 256, /* instances of a type that are looked at */
	GUESS_SIZE = 1024,
};

/* ---- the table ---- */

static bool one_of(const char *types, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = types; (at = strstr(at, name)); at++)
		if ((at == types || at[-1] == '|') && (!at[size] || at[size] == '|'))
			return true;
	return false;
}

static const char *number(const char *at, uint32_t *ret)
{
	for (*ret = 0; *at >= '0' && *at <= '9'; at++)
		*ret = *ret * 10 + (uint32_t)(*at - '0');
	return at;
}

/* One field of a row; returns what follows it. */
static const char *parse(struct walk *w, const char *at, struct walk_slot *ret)
{
	uint32_t shift = w->lay->head - 16u, offset;
	bool hidden = *at == '!', borrowed = *at == '~';
	const char *name = at + (hidden || borrowed);

	at = strchr(name, '@');
	*ret = (struct walk_slot){ .kind = borrowed ? SNAP_LABEL_WEAK : SNAP_LABEL_ATTR,
				   .flags = hidden || borrowed ? WALK_SLOT_CHECK :
								 WALK_SLOT_TRAVERSED,
				   .name = walk_string(w, name, (size_t)(at - name)) };
	at = number(at + 1, &offset);
	if (*at == '>') {
		ret->via = (uint16_t)(offset + shift);
		at = number(at + 1, &ret->offset);
	} else {
		ret->offset = offset + shift;
	}
	return at + (*at == ' ');
}

static void add(struct walk_slot *slots, uint32_t *n, uint32_t capacity,
		struct walk_slot slot)
{
	for (uint32_t i = 0; i < *n; i++)
		if (slots[i].offset == slot.offset && slots[i].via == slot.via)
			return;
	if (*n < capacity)
		slots[(*n)++] = slot;
}

static void set_rest(struct walk *w, struct walk_type *type, const char *rest)
{
	if (type->tail != SNAP_TAIL_OTHER)
		return;
	if (!strcmp(rest, "[]"))
		type->tail = SNAP_TAIL_INDEX;
	else if (!strcmp(rest, "{}"))
		type->tail = SNAP_TAIL_ELEMENT;
	else
		type->rest = walk_cstring(w, rest);
}

void names_add(struct walk *w, struct walk_type *type, uint64_t base,
	       struct walk_slot *slots, uint32_t *nslots, uint32_t capacity)
{
	uint16_t version = (uint16_t)(w->py->version >> 8);
	const char *name = peek_ptr(peek64(base + w->lay->tp_name));
	struct walk_slot slot;
	char numpy2[64] = "numpy2.";

	/* a class made by a class statement may have any name */
	if ((peek64(base + w->lay->tp_flags) >> 9 & 1) &&
	    peek64(base + w->lay->tp_traverse) == w->lay->subtype_traverse)
		return;
	if (!strncmp(name, "numpy.", 6) && strlen(name) < 56 && numpy_is_2(w))
		name = strcpy(numpy2 + 7, name + 6) - 7;
	for (size_t i = 0; i < names_count; i++) {
		const struct names_row *row = &names_table[i];

		if (version < row->since || version >= row->until ||
		    !one_of(row->types, name))
			continue;
		type->guess = false; /* the table knows them all */
		for (const char *at = row->fields; *at;) {
			at = parse(w, at, &slot);
			add(slots, nslots, capacity, slot);
		}
		if (row->rest)
			set_rest(w, type, row->rest);
	}
}

/* ---- one object ---- */

static void take(struct walk *w, uint32_t to, uint32_t from)
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
		word = edges_slot(w, slot, obj) & ~(uint64_t)TAG_BITS;
		for (uint32_t k = known; k < w->nrefs && word; k++)
			if (w->refs[k] == word) {
				take(w, first + i, k);
				break;
			}
	}
}

/* ---- learning ---- */

static bool is_slot(const struct walk_type *type, uint64_t offset)
{
	if (type->dictoffset == (int64_t)offset)
		return true;
	for (uint32_t i = 0; i < type->nslots; i++)
		if (type->slots[i].offset == offset && !type->slots[i].via)
			return true;
	return false;
}

/* "+40", or "+40?" when it is a guess. */
static uint32_t offset_name(struct walk *w, uint64_t offset, bool guess)
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
	return walk_string(w, at, size);
}

static bool learn(struct walk *w, struct walk_type *type, uint64_t offset, uint8_t flags)
{
	struct walk_slot *slots =
		arena_alloc(w->arena, (type->nslots + 2) * sizeof(*slots));

	if (!slots) {
		walk_check(w, -ENOMEM);
		return false;
	}
	memcpy(slots, type->slots, type->nslots * sizeof(*slots));
	slots[type->nslots++] =
		(struct walk_slot){ .offset = (uint32_t)offset,
				    .kind = SNAP_LABEL_OTHER,
				    .flags = flags,
				    .name = offset_name(w, offset - (w->lay->head - 16u),
							flags & WALK_SLOT_CHECK) };
	type->slots = slots;
	type->learned++;
	return true;
}

static uint64_t fields_end(const struct walk *w, const struct walk_type *type)
{
	return type->native_base == type->addr ?
		type->basicsize :
		peek64(type->native_base + w->lay->tp_basicsize);
}

/* The field of obj's own C structure that holds ref; 0 = none that is not known. */
static uint64_t field_of(struct walk *w, const struct walk_type *type, uint64_t obj,
			 uint64_t ref)
{
	uint64_t end = fields_end(w, type);

	for (uint64_t at = w->lay->head; at + 8 <= end; at += 8)
		if ((peek64(obj + at) & ~(uint64_t)TAG_BITS) == ref && !is_slot(type, at))
			return at;
	return 0;
}

bool names_learn(struct walk *w, struct walk_type *type, uint64_t obj, uint32_t known)
{
	bool learned = false;

	if (type->tail != SNAP_TAIL_OTHER || type->kind == SNAP_KIND_TUPLE)
		return false;
	for (uint32_t k = known; k < w->nrefs && type->learned < LEARN_MAX; k++) {
		uint64_t at = field_of(w, type, obj, w->refs[k]);

		if (at && learn(w, type, at, WALK_SLOT_TRAVERSED))
			learned = true;
	}
	if (learned)
		edges_plan_shapes(w, type);
	return learned && !w->err;
}

/* The standard library's types are all known; a guess at their padding or at a field
 * that was never set could only be wrong. */
bool names_must_guess(struct walk *w, const struct walk_type *type)
{
	uint64_t base = type->native_base;

	return base && !(peek64(base + w->lay->tp_flags) >> 14 & 1) &&
		!ranges_ship_with_python(w,
					 peek64(base + w->lay->tp_name + TP_DEALLOC)) &&
		(type->kind == SNAP_KIND_OBJECT || type->kind == SNAP_KIND_BUILTIN) &&
		fields_end(w, type) > w->lay->head;
}

bool names_guess(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t end = fields_end(w, type), weak, word;
	bool learned = false;

	if (type->count > GUESSES || type->learned == LEARN_MAX || end > GUESS_SIZE)
		return false;
	weak = peek64(type->addr + w->lay->tp_weaklistoffset);
	for (uint64_t at = w->lay->head; at + 8 <= end; at += 8) {
		word = peek64(obj + at);
		if (at != weak && word != obj && peek_plausible(word) && !(word & 7) &&
		    !is_slot(type, at) && walk_is_object(w, word) &&
		    learn(w, type, at, WALK_SLOT_CHECK))
			learned = true;
	}
	if (learned)
		edges_plan_shapes(w, type);
	return learned && !w->err;
}

/* ---- the rest ---- */

uint32_t names_rest_shape(struct walk *w, const struct walk_type *type, uint32_t shape,
			  uint32_t fixed, uint32_t n)
{
	struct snap_label *labels = w->tables->labels;
	uint32_t limit = sizeof(w->tables->labels) / sizeof(*labels), i = 0;
	struct dict_table t = { 0 };

	if (n > limit || fixed + n > limit)
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
						 key ? walk_string_of(w, key) : 0 };
	}
	for (; i < fixed + n; i++)
		labels[i] = (struct snap_label){ SNAP_LABEL_OTHER, type->rest };
	return walk_shape(w, labels, i, type->tail);
}
