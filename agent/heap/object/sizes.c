/* SPDX-License-Identifier: MIT */
/*
 * sizes - see sizes.h.
 *
 * Sources: *_sizeof in Objects/{typeobject,longobject,unicodeobject,listobject,
 * dictobject,odictobject,setobject,bytearrayobject}.c, 3.6 to 3.15.
 */
#include "agent/heap/object/sizes.h"

#include "agent/heap/object/instances.h"
#include "agent/python/type.h"

enum { SIZES_ODICT_NODE = 32 };

uint64_t sizes_object(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return sizes_of_object(w, type, obj);
}

uint64_t sizes_int(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return sizes_of_int(w, type, obj);
}

uint64_t sizes_list(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return sizes_of_list(w, type, obj);
}

uint64_t sizes_dict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return sizes_of_dict(w, type, obj);
}

uint64_t sizes_dict_split(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	const uint64_t keys = peek64(obj + lay->dict_keys);
	const uint64_t values = peek64(obj + lay->dict_values);
	const uint64_t inside = dict_values_size(lay, keys);
	uint64_t outside = 0;

	if (!lay->values_items || !peek8(values + 2))
		sizes_outer(w, values, inside);
	else
		w->outer += inside; /* inside of the instance */
	if (peek64(keys) == 1) {
		outside = dict_keys_size(lay, keys);
		sizes_outer(w, keys, outside);
	}
	return type->basicsize + inside + outside;
}

uint64_t sizes_odict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	/* od_first, od_last, od_fast_nodes, od_fast_nodes_size */
	uint64_t at = obj + w->lay->dict_values + 8, size = sizes_dict(w, type, obj);
	uint64_t fast = 8 * peek64(at + 24), nodes = 0;

	if (peek64(at))
		nodes = SIZES_ODICT_NODE * peek64(obj + w->lay->dict_used);
	sizes_outer(w, peek64(at + 16), fast);
	w->outer += nodes;
	return size + fast + nodes;
}

uint64_t sizes_set(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t table = peek64(obj + w->lay->set_table);
	uint64_t bytes = (peek64(obj + w->lay->set_mask) + 1) * 16;

	if (table == obj + w->lay->set_small)
		return type->basicsize;
	sizes_outer(w, table, bytes);
	return type->basicsize + bytes;
}

static uint64_t sizes_str_extra(struct walk *w, uint64_t obj, uint32_t state,
				uint64_t length, uint64_t data)
{
	const struct layout *lay = w->lay;
	bool ascii =
		(state >> lay->str_ascii_bit & 1) && (state >> lay->str_compact_bit & 1);
	bool ready = lay->str_ready_bit == 0xff || (state >> lay->str_ready_bit & 1);
	uint64_t extra = 0, p;

	if (lay->str_wstr != LAYOUT_NONE && (p = peek64(obj + lay->str_wstr)) &&
	    (!ready || p != data)) {
		extra = ((ascii ? length : peek64(obj + lay->str_wstr_length)) + 1) * 4;
		sizes_outer(w, p, extra);
	}
	if (!ascii && (p = peek64(obj + lay->str_utf8)) && p != data) {
		uint64_t bytes = peek64(obj + lay->str_utf8_length) + 1;

		sizes_outer(w, p, bytes);
		extra += bytes;
	}
	return extra;
}

uint64_t sizes_str_other(struct walk *w, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint32_t state = peek32(obj + lay->str_state);
	uint64_t length = peek64(obj + lay->str_length), kind, data, size;

	kind = state >> lay->str_kind_shift & 7;
	if (state >> lay->str_compact_bit & 1) {
		if (state >> lay->str_ascii_bit & 1) {
			size = lay->str_ascii_size + length + 1;
			if (lay->str_wstr == LAYOUT_NONE)
				return size;
			data = obj + lay->str_ascii_size;
		} else {
			size = lay->str_compact_size + (length + 1) * kind;
			data = obj + lay->str_compact_size;
		}
	} else {
		size = lay->str_full_size;
		data = peek64(obj + lay->str_full_size - 8);
		if (data) {
			size += (length + 1) * kind;
			sizes_outer(w, data, (length + 1) * kind);
		}
	}
	return size + sizes_str_extra(w, obj, state, length, data);
}

uint64_t sizes_str(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return sizes_of_str(w, type, obj);
}

uint64_t sizes_bytearray(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t bytes = peek64(obj + w->lay->head + 8); /* ob_alloc */

	sizes_outer(w, peek64(obj + w->lay->head + 16), bytes);
	return type->basicsize + bytes;
}

uint64_t sizes_type(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct layout *lay = w->lay;
	uint64_t size = lay->type_size, keys, bytes;

	(void)type;
	if (!type_is_heap(lay, obj))
		return size;
	size = peek64(CPYTHON_ADDR(w->py, type_type) + lay->tp_basicsize);
	keys = peek64(obj + lay->ht_cached_keys);
	if (keys) {
		bytes = dict_keys_size(lay, keys);
		sizes_outer(w, keys, bytes);
		size += bytes;
	}
	return size;
}
