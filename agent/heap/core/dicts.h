/* SPDX-License-Identifier: MIT */
/* dicts - the key table of a dict, read from memory (pycore_dict.h, dict-common.h). */
#ifndef PYMEM_AGENT_HEAP_CORE_DICTS_H
#define PYMEM_AGENT_HEAP_CORE_DICTS_H

#include "agent/heap/core/walk_internal.h"

struct dict_table {
	uint64_t keys;	  /* PyDictKeysObject */
	uint64_t entries; /* address of the first entry's key pointer */
	uint64_t nentries;
	uint64_t values; /* split: address of values[0]; else 0 */
	uint32_t stride; /* bytes from entry to entry: 16 or 24 */
	bool embedded;	 /* 3.13+: the values lie in the instance, which owns them */
};

/* Entry slots of a key table of 2^n index slots, as USABLE_FRACTION says. */
static inline uint64_t dict_usable(uint64_t size)
{
	return (size << 1) / 3;
}

static inline void dict_keys_table(const struct layout *lay, uint64_t keys,
				   struct dict_table *t)
{
	t->keys = keys;
	t->values = 0;
	t->embedded = false;
	t->nentries = peek64(keys + lay->keys_nentries);
	if (lay->keys_kind != 0xffff) {
		uint64_t at = keys + lay->keys_indices +
			(1ULL << peek8(keys + lay->keys_log2_index));

		t->stride = peek8(keys + lay->keys_kind) ? 16 : 24;
		t->entries = at + (t->stride == 24 ? 8 : 0);
	} else {
		uint64_t size = peek64(keys + 8);
		uint64_t width = size <= 0xff ? 1 :
			size <= 0xffff	      ? 2 :
			size <= 0xffffffff    ? 4 :
						8;

		t->stride = 24;
		t->entries = keys + lay->keys_indices + size * width + 8;
	}
}

static inline void dict_table(const struct layout *lay, uint64_t dict,
			      struct dict_table *t)
{
	uint64_t values = peek64(dict + lay->dict_values);

	dict_keys_table(lay, peek64(dict + lay->dict_keys), t);
	if (values) {
		t->values = values + lay->values_items;
		/* 3.13+: {capacity, size, embedded, valid} before the values */
		t->embedded = lay->managed == LAYOUT_MANAGED_313 && peek8(values + 2);
		if (lay->managed == LAYOUT_MANAGED_313 && t->nentries > peek8(values))
			t->nentries = peek8(values);
	}
}

/* Bytes of a key table, as _PyDict_KeysSize says. */
uint64_t dict_keys_size(const struct layout *lay, uint64_t keys);

#endif
