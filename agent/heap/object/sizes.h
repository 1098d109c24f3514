/* SPDX-License-Identifier: MIT */
/*
 * sizes - formulas of the builtin types: what obj.__sizeof__() would say.  Memory that
 * a size counts outside of the object itself is noted as held by live objects.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SIZES_H
#define PYMEM_AGENT_HEAP_OBJECT_SIZES_H

#include "agent/heap/core/context.h"
#include "agent/heap/memory/memory.h"
#include "agent/python/dict.h"
#include "agent/python/integer.h"

walk_size_fn sizes_object; /* object.__sizeof__: basic size and items */
walk_size_fn sizes_int, sizes_str, sizes_list, sizes_dict, sizes_odict, sizes_set,
	sizes_bytearray, sizes_type;

/* sizes_str of one that isn't compact ASCII, or has other forms of its text as well. */
uint64_t sizes_str_other(struct walk *w, uint64_t obj);
/* sizes_dict of one whose keys others share. */
walk_size_fn sizes_dict_split;

/* Memory outside of the object itself that its size counts. */
static inline void sizes_outer(struct walk *w, uint64_t addr, uint64_t bytes)
{
	if (!addr || !bytes)
		return;
	w->outer += bytes;
	memory_live(w, addr, bytes);
	marks_take(&w->marks, addr);
}

/* The formulas of what there are millions of, to be compiled into what writes these. */

static inline uint64_t sizes_of_object(struct walk *w, struct walk_type *type,
				       uint64_t obj)
{
	if (!type->itemsize)
		return type->basicsize;
	return type->basicsize + type->itemsize * peek64(obj + w->lay->head);
}

static inline uint64_t sizes_of_int(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t n = integer_count(w->lay, peek64(obj + w->lay->head));
	uint64_t base = w->lay->long_tagged ? type->basicsize : w->lay->long_digits;

	if (!n && w->lay->long_zero_digit)
		n = 1;
	return base + n * 4;
}

static inline uint64_t sizes_of_str(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;

	(void)type;
	if (!(~peek32(obj + lay->str_state) & w->str_ascii) &&
	    (lay->str_wstr == LAYOUT_NONE || !peek64(obj + lay->str_wstr)))
		return lay->str_ascii_size + peek64(obj + lay->str_length) + 1;
	return sizes_str_other(w, obj);
}

static inline uint64_t sizes_of_list(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t bytes = peek64(obj + w->lay->list_allocated) * 8;

	sizes_outer(w, peek64(obj + w->lay->list_items), bytes);
	return type->basicsize + bytes;
}

static inline uint64_t sizes_of_dict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	const uint64_t keys = peek64(obj + lay->dict_keys);
	uint64_t bytes;

	if (peek64(obj + lay->dict_values))
		return sizes_dict_split(w, type, obj);
	if (peek64(keys) != 1)
		return type->basicsize;
	bytes = dict_keys_size(lay, keys);
	sizes_outer(w, keys, bytes);
	return type->basicsize + bytes;
}

#endif
