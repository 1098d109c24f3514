/* SPDX-License-Identifier: MIT */
/*
 * dict - dicts and their key tables, read from memory without the API
 * (pycore_dict.h, Objects/dict-common.h).
 *
 * Three kinds of tables: {hash, key, value} entries, from 3.11 {key, value} entries
 * when all keys are str, and split ones, where the keys are shared by the instances
 * of a class and each dict has its own values.
 */
#ifndef PYMEM_AGENT_PYTHON_DICT_H
#define PYMEM_AGENT_PYTHON_DICT_H

#include "agent/python/object.h"

struct dict_table {
	uint64_t keys;	  /* PyDictKeysObject */
	uint64_t entries; /* address of the first entry's key pointer */
	uint64_t nentries;
	uint64_t values; /* split: address of values[0]; else 0 */
	uint32_t stride; /* bytes from entry to entry: 16 or 24 */
	bool embedded;	 /* 3.13+: the values lie in the instance, which owns them */
};

struct dict_iter {
	uint64_t entry, end, stride; /* entry: address of the next key pointer */
	uint64_t values;	     /* split table: address of values[0]; else 0 */
	uint64_t index;
};

/* Entry slots of a key table of 2^n index slots, as USABLE_FRACTION says. */
static inline uint64_t dict_usable(uint64_t size)
{
	return (size << 1) / 3;
}

/* Bytes of an index into a table of this many slots. */
static inline uint64_t dict_index_width(uint64_t size)
{
	return size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8;
}

/* The entries of a key table. */
static inline void dict_keys_table(const struct layout *lay, uint64_t keys,
				   struct dict_table *ret)
{
	ret->keys = keys;
	ret->values = 0;
	ret->embedded = false;
	ret->nentries = peek64(keys + lay->keys_nentries);
	if (lay->keys_kind != LAYOUT_NONE) {
		uint64_t at = keys + lay->keys_indices +
			(1ULL << peek8(keys + lay->keys_log2_index));

		ret->stride = peek8(keys + lay->keys_kind) ? 16 : 24;
		ret->entries = at + (ret->stride == 24 ? 8 : 0);
	} else {
		uint64_t size = peek64(keys + 8);

		ret->stride = 24;
		ret->entries =
			keys + lay->keys_indices + size * dict_index_width(size) + 8;
	}
}

/* Where the pairs of a dict (or of a subclass's instance) are. */
static inline void dict_table(const struct layout *lay, uint64_t dict,
			      struct dict_table *ret)
{
	uint64_t values = peek64(dict + lay->dict_values);

	dict_keys_table(lay, peek64(dict + lay->dict_keys), ret);
	if (values) {
		ret->values = values + lay->values_items;
		/* 3.13+: {capacity, size, embedded, valid} before the values */
		ret->embedded = lay->values_items && peek8(values + 2);
		if (lay->values_items && ret->nentries > peek8(values))
			ret->nentries = peek8(values);
	}
}

/* Bytes of a key table, as _PyDict_KeysSize says. */
uint64_t dict_keys_size(const struct layout *lay, uint64_t keys);

/* Bytes of the values of a split dict, as _PyDict_SizeOf counts them. */
uint64_t dict_values_size(const struct layout *lay, uint64_t keys);

/* Prepares to go over a dict (or subclass); false when it isn't one, or
 * nobody knows where its pairs lie. */
bool dict_begin(const struct layout *lay, uint64_t dict, struct dict_iter *iter);
/* Next pair with a value; false at the end. Insertion order (table order). */
bool dict_next(struct dict_iter *iter, uint64_t *key_ret, uint64_t *value_ret);

/* Value of a str key, 0 = absent. Linear. */
uint64_t dict_get(const struct layout *lay, uint64_t dict, const char *key);
/* ... by identity of the key: for names that are interned in any case. */
uint64_t dict_get_interned(const struct layout *lay, uint64_t dict, uint64_t key);
/* The key object under which a dict keeps `text`, 0 = absent. Linear. */
uint64_t dict_key_object(const struct layout *lay, uint64_t dict, const char *text);

#endif
