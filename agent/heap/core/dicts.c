/* SPDX-License-Identifier: MIT */
/*
 * dicts - see dicts.h.  Three kinds of tables: {hash, key, value} entries, from
 * 3.11 {key, value} entries when all keys are str, and split ones, where the
 * keys are shared by the instances of a class and each dict has its own values.
 */
#include <string.h>

#include "agent/heap/core/dicts.h"

uint64_t dict_keys_size(const struct layout *lay, uint64_t keys)
{
	uint64_t size, width;

	if (lay->keys_kind != 0xffff) {
		size = 1ULL << peek8(keys + lay->keys_log2_size);
		return lay->keys_indices + (1ULL << peek8(keys + lay->keys_log2_index)) +
			dict_usable(size) * (peek8(keys + lay->keys_kind) ? 16 : 24);
	}
	size = peek64(keys + 8);
	width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
	return lay->keys_indices + width * size + dict_usable(size) * 24;
}

bool walk_dict_begin(const struct walk *w, uint64_t dict, struct walk_dict_iter *iter)
{
	struct dict_table t;

	if (!dict || !(peek64(walk_typeof(w, dict) + w->lay->tp_flags) >> 29 & 1))
		return false;
	dict_table(w->lay, dict, &t);
	*iter = (struct walk_dict_iter){ .entry = t.entries,
					 .end = t.entries + t.nentries * t.stride,
					 .stride = t.stride,
					 .values = t.values };
	return true;
}

bool walk_dict_next(struct walk_dict_iter *iter, uint64_t *key_ret, uint64_t *value_ret)
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

static bool key_is(const struct walk *w, uint64_t key, const char *text, size_t size)
{
	uint64_t length, data;
	uint32_t kind;

	if (!(peek64(walk_typeof(w, key) + w->lay->tp_flags) >> 28 & 1))
		return false;
	return walk_str_data(w, key, &length, &kind, &data) && kind == 1 &&
		length == size && !memcmp(peek_ptr(data), text, size);
}

uint64_t walk_dict_get(const struct walk *w, uint64_t dict, const char *key)
{
	size_t size = strlen(key);
	struct walk_dict_iter iter;
	uint64_t k, v;

	if (!walk_dict_begin(w, dict, &iter))
		return 0;
	while (walk_dict_next(&iter, &k, &v))
		if (key_is(w, k, key, size))
			return v;
	return 0;
}
