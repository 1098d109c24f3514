/* SPDX-License-Identifier: MIT */
/* dict - see dict.h. */
#include "agent/python/dict.h"

#include <string.h>

#include "agent/python/str.h"

uint64_t dict_keys_size(const struct layout *lay, uint64_t keys)
{
	uint64_t size;

	if (lay->keys_kind != LAYOUT_NONE) {
		size = 1ULL << peek8(keys + lay->keys_log2_size);
		return lay->keys_indices + (1ULL << peek8(keys + lay->keys_log2_index)) +
			dict_usable(size) * (peek8(keys + lay->keys_kind) ? 16 : 24);
	}
	size = peek64(keys + 8);
	return lay->keys_indices + dict_index_width(size) * size + dict_usable(size) * 24;
}

/* 3.11+: dk_usable more than there are, each with a byte of order in what precedes. */
uint64_t dict_values_size(const struct layout *lay, uint64_t keys)
{
	return 8 *
		(lay->keys_kind == LAYOUT_NONE ?
			 dict_usable(peek64(keys + 8)) :
			 peek64(keys + 16) + peek64(keys + lay->keys_nentries));
}

bool dict_begin(const struct layout *lay, uint64_t dict, struct dict_iter *iter)
{
	struct dict_table t;

	if (!dict || lay->unknown & LAYOUT_DICT ||
	    !object_has(lay, dict, TYPE_DICT_SUBCLASS))
		return false;
	dict_table(lay, dict, &t);
	*iter = (struct dict_iter){ .entry = t.entries,
				    .end = t.entries + t.nentries * t.stride,
				    .stride = t.stride,
				    .values = t.values };
	return true;
}

bool dict_next(struct dict_iter *iter, uint64_t *key_ret, uint64_t *value_ret)
{
	while (iter->entry < iter->end) {
		uint64_t key = peek64(iter->entry);
		uint64_t value = iter->values ? peek64(iter->values + iter->index * 8) :
						peek64(iter->entry + 8);

		iter->entry += iter->stride;
		iter->index++;
		if (key && value) {
			*key_ret = key;
			*value_ret = value;
			return true;
		}
	}
	return false;
}

uint64_t dict_get(const struct layout *lay, uint64_t dict, const char *key)
{
	size_t size = strlen(key);
	struct dict_iter iter;
	uint64_t k, v;

	if (!dict_begin(lay, dict, &iter))
		return 0;
	while (dict_next(&iter, &k, &v))
		if (str_is(lay, k, key, size))
			return v;
	return 0;
}

uint64_t dict_get_interned(const struct layout *lay, uint64_t dict, uint64_t key)
{
	struct dict_table t;

	if (!dict || !key || lay->unknown & LAYOUT_DICT)
		return 0;
	dict_table(lay, dict, &t);
	for (uint64_t i = 0; i < t.nentries; i++) {
		uint64_t at = t.entries + i * t.stride;

		if (peek64(at) == key)
			return t.values ? peek64(t.values + i * 8) : peek64(at + 8);
	}
	return 0;
}

uint64_t dict_key_object(const struct layout *lay, uint64_t dict, const char *text)
{
	size_t size = strlen(text);
	struct dict_iter iter;
	uint64_t key, value;

	if (!dict_begin(lay, dict, &iter))
		return 0;
	while (dict_next(&iter, &key, &value))
		if (str_is(lay, key, text, size))
			return key;
	return 0;
}
