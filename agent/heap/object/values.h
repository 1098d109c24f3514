/* SPDX-License-Identifier: MIT */
/*
 * values - previews of what objects contain, read natively, never by repr.
 *
 * str, bytes, bytearray, int, float and bool get a value event; functions,
 * code, modules, types, builtins, descriptors and generators a NAME.  Text that
 * lies in the object as the snapshot wants it (ASCII str, bytes) is passed on in
 * place, without a copy.  A hash is computed only when the preview does not
 * hold the whole value, or when values are to be left out (--no-values): then
 * text is sent for interned identifiers only, so that attribute names and
 * keyword names stay readable.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_VALUES_H
#define PYMEM_AGENT_HEAP_OBJECT_VALUES_H

#include "agent/heap/core/context.h"
#include "agent/heap/core/events.h"
#include "agent/heap/object/hash.h"
#include "agent/python/integer.h"
#include "agent/python/str.h"

struct frame_layout;

struct values {
	const struct frame_layout *frame;
	uint64_t seed;
	uint32_t limit; /* characters */
	bool text;	/* previews wanted */
	char buf[4 * SNAP_PREVIEW_MAX + 16];
};

/* Sets type->values where instances get a preview. Without memory: none do. */
void values_plan(struct walk *w, struct walk_type *type);

/* What type->values is for exactly these, if it isn't NULL. */
walk_object_fn values_int, values_str, values_float;

/* The event, with that of the object (w->held), once; text is the caller's. */
static inline void values_send(struct walk *w, uint64_t obj, uint8_t kind,
			       uint64_t length, uint64_t hash, const char *text,
			       uint32_t size)
{
	struct snap_value *const value = &w->value;

	value->addr = obj;
	value->kind = kind;
	value->length = length;
	value->hash = hash;
	value->size = size;
	value->text = text;
	events_whole(w, w->held, value);
	w->held = NULL;
	value->text = NULL; /* gone when the caller returns */
}

/* The same for what there are millions of, to be compiled into what writes these. */

static inline void values_of_int(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct values *const values = w->values;
	const struct integer d = integer_digits(w->lay, obj);
	uint64_t v;

	if (d.count != 1 || values->text) {
		values_int(w, type, obj);
		return;
	}
	v = peek32(d.data);
	values_send(w, obj, SNAP_VALUE_INT, v ? 64u - (unsigned)__builtin_clzll(v) : 0,
		    hash_words(values->seed, v, d.negative, 16), NULL, 0);
}

static inline void values_of_str(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *const lay = w->lay;
	const struct values *const values = w->values;
	const uint64_t length = peek64(obj + lay->str_length);
	const uint32_t state = peek32(obj + lay->str_state);

	if ((state & (w->str_ascii | w->str_interned)) != w->str_ascii || values->text) {
		values_str(w, type, obj);
		return;
	}
	values_send(w, obj, SNAP_VALUE_STR, length,
		    hash_content(values->seed,
				 peek_bytes(obj + lay->str_ascii_size, length), length),
		    NULL, 0);
}

static inline void values_of_float(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct values *const values = w->values;
	const uint64_t at = obj + w->lay->head;

	(void)type;
	if (values->text)
		values_send(w, obj, SNAP_VALUE_FLOAT, 8, 0, peek_bytes(at, 8), 8);
	else
		values_send(w, obj, SNAP_VALUE_FLOAT, 8,
			    hash_words(values->seed, peek64(at), peek64(at), 8), NULL, 0);
}

#endif
