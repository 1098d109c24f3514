/* SPDX-License-Identifier: MIT */
/*
 * lookup - a few questions about objects, answered from memory alone.
 *
 * For start-up: linear and unhurried.  The walk has its own faster ways.
 */
#include <string.h>

#include "agent/python/cpython_internal.h"
#include "agent/python/layout_internal.h"
#include "agent/base/peek.h"

bool probe_exact(const struct cpython *py, uint64_t obj, uint64_t type)
{
	uint64_t t;

	return obj % 4 == 0 && peek_plausible(obj) &&
		peek_safe64(obj + py->lay.type, &t) && t == type;
}

bool probe_kind(const struct cpython *py, uint64_t obj, unsigned flag_bit)
{
	uint64_t type, meta, flags;

	return peek_plausible(obj) && peek_safe64(obj + py->lay.type, &type) &&
		peek_plausible(type) && peek_safe64(type + py->lay.type, &meta) &&
		peek_plausible(meta) && peek_safe64(type + py->lay.tp_flags, &flags) &&
		(flags >> flag_bit & 1);
}

bool cpython_str_equals(const struct cpython *py, uint64_t str, const char *text)
{
	const struct layout *lay = &py->lay;
	size_t size = strlen(text);
	uint64_t length;
	uint32_t state;
	char buf[256];

	if (size >= sizeof(buf) || !probe_kind(py, str, 28) ||
	    !peek_safe64(str + lay->str_length, &length) || length != size ||
	    !peek_safe(str + lay->str_state, &state, sizeof(state)))
		return false;
	if (!(state >> lay->str_ascii_bit & 1) || !(state >> lay->str_compact_bit & 1))
		return false;
	return peek_safe(str + lay->str_ascii_size, buf, size) &&
		!memcmp(buf, text, size);
}

/* Entries of a key table: where they begin, how wide they are. */
static bool keys_entries(const struct layout *lay, uint64_t keys, uint64_t *entries_ret,
			 uint64_t *stride_ret, uint64_t *count_ret)
{
	uint64_t size, width;
	uint8_t log2_index, kind;

	if (!peek_safe64(keys + lay->keys_nentries, count_ret) || *count_ret > 1ULL << 40)
		return false;
	if (lay->keys_kind != 0xffff) {
		if (!peek_safe(keys + lay->keys_log2_index, &log2_index, 1) ||
		    !peek_safe(keys + lay->keys_kind, &kind, 1) || log2_index > 48)
			return false;
		*entries_ret = keys + lay->keys_indices + (1ULL << log2_index);
		*stride_ret = kind ? 16 : 24;
		return true;
	}
	if (!peek_safe64(keys + 8, &size) || size > 1ULL << 40)
		return false;
	width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
	*entries_ret = keys + lay->keys_indices + size * width;
	*stride_ret = 24;
	return true;
}

uint64_t cpython_dict_get(const struct cpython *py, uint64_t dict, const char *key)
{
	const struct layout *lay = &py->lay;
	uint64_t keys, values, entries, stride, count, pair[2];

	if (!probe_kind(py, dict, 29) || !peek_safe64(dict + lay->dict_keys, &keys) ||
	    !peek_safe64(dict + lay->dict_values, &values) ||
	    !keys_entries(lay, keys, &entries, &stride, &count))
		return 0;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = entries + i * stride + (stride == 24 ? 8 : 0);

		if (!peek_safe(at, pair, sizeof(pair)))
			return 0;
		if (!pair[0] || !cpython_str_equals(py, pair[0], key))
			continue;
		if (values && !peek_safe64(values + lay->values_items + i * 8, &pair[1]))
			return 0;
		return pair[1];
	}
	return 0;
}

uint32_t cpython_member_offset(const struct cpython *py, uint64_t type, const char *name)
{
	struct {
		uint64_t name;
		int32_t type;
		int32_t pad;
		uint64_t offset;
	} member;
	uint64_t at;
	char text[64];

	if (!peek_safe64(type + py->lay.tp_members, &at))
		return 0;
	for (; at; at += 40) { /* struct PyMemberDef is 40 bytes in all versions */
		if (!peek_safe(at, &member, sizeof(member)) || !member.name ||
		    !peek_safe_text(member.name, text, sizeof(text)))
			return 0;
		if (!strcmp(text, name))
			return (uint32_t)member.offset;
	}
	return 0;
}
