/* SPDX-License-Identifier: MIT */
/* lookup - see lookup.h. */
#include "agent/python/lookup.h"

#include <string.h>

#include "agent/base/peek.h"
#include "agent/python/dict.h"

bool lookup_exact(const struct cpython *py, uint64_t obj, uint64_t type)
{
	uint64_t t;

	return obj % 4 == 0 && peek_plausible(obj) &&
		peek_safe64(obj + py->lay.type, &t) && t == type;
}

bool lookup_kind(const struct cpython *py, uint64_t obj, uint64_t flag)
{
	uint64_t type, meta, flags;

	return peek_plausible(obj) && peek_safe64(obj + py->lay.type, &type) &&
		peek_plausible(type) && peek_safe64(type + py->lay.type, &meta) &&
		peek_plausible(meta) && peek_safe64(type + py->lay.tp_flags, &flags) &&
		(flags & flag) != 0;
}

bool lookup_str_equals(const struct cpython *py, uint64_t str, const char *text)
{
	const struct layout *lay = &py->lay;
	size_t size = strlen(text);
	uint64_t length;
	uint32_t state;
	char buf[256];

	if (size >= sizeof(buf) || lay->unknown & LAYOUT_STR ||
	    !lookup_kind(py, str, TYPE_STR_SUBCLASS) ||
	    !peek_safe64(str + lay->str_length, &length) || length != size ||
	    !peek_safe(str + lay->str_state, &state, sizeof(state)))
		return false;
	if (!(state >> lay->str_ascii_bit & 1) || !(state >> lay->str_compact_bit & 1))
		return false;
	return peek_safe(str + lay->str_ascii_size, buf, size) &&
		!memcmp(buf, text, size);
}

/* Entries of a key table: where they begin, how wide they are. */
static bool lookup_entries(const struct layout *lay, uint64_t keys, uint64_t *entries_ret,
			   uint64_t *stride_ret, uint64_t *count_ret)
{
	uint64_t size, width;
	uint8_t log2_index, kind;

	if (!peek_safe64(keys + lay->keys_nentries, count_ret) || *count_ret > 1ULL << 40)
		return false;
	if (lay->keys_kind != LAYOUT_NONE) {
		if (!peek_safe(keys + lay->keys_log2_index, &log2_index, 1) ||
		    !peek_safe(keys + lay->keys_kind, &kind, 1) || log2_index > 48)
			return false;
		*entries_ret = keys + lay->keys_indices + (1ULL << log2_index);
		*stride_ret = kind ? 16 : 24;
		return true;
	}
	if (!peek_safe64(keys + 8, &size) || size > 1ULL << 40)
		return false;
	width = dict_index_width(size);
	*entries_ret = keys + lay->keys_indices + size * width;
	*stride_ret = 24;
	return true;
}

/* The entry {key, value} and its index; false: there is none. */
static bool lookup_entry(const struct cpython *py, uint64_t keys, const char *key,
			 uint64_t pair_ret[2], uint64_t *index_ret)
{
	uint64_t entries, stride, count;

	if (!lookup_entries(&py->lay, keys, &entries, &stride, &count))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = entries + i * stride + (stride == 24 ? 8 : 0);

		if (!peek_safe(at, pair_ret, 2 * sizeof(*pair_ret)))
			return false;
		if (!pair_ret[0] || !lookup_str_equals(py, pair_ret[0], key))
			continue;
		*index_ret = i;
		return true;
	}
	return false;
}

uint64_t lookup_dict(const struct cpython *py, uint64_t dict, const char *key)
{
	const struct layout *lay = &py->lay;
	uint64_t keys, values, index, pair[2];

	if (lay->unknown & LAYOUT_DICT || !lookup_kind(py, dict, TYPE_DICT_SUBCLASS) ||
	    !peek_safe64(dict + lay->dict_keys, &keys) ||
	    !peek_safe64(dict + lay->dict_values, &values) ||
	    !lookup_entry(py, keys, key, pair, &index) ||
	    (values && !peek_safe64(values + lay->values_items + index * 8, &pair[1])))
		return 0;
	return pair[1];
}

bool lookup_key(const struct cpython *py, uint64_t keys, const char *key,
		uint64_t *index_ret)
{
	uint64_t pair[2];

	return lookup_entry(py, keys, key, pair, index_ret);
}
