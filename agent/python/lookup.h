/* SPDX-License-Identifier: MIT */
/*
 * lookup - a few questions about objects at doubtful addresses, answered from memory
 * alone.  For start-up: linear and unhurried; the walk has its own faster ways.
 */
#ifndef PYMEM_AGENT_PYTHON_LOOKUP_H
#define PYMEM_AGENT_PYTHON_LOOKUP_H

#include "agent/python/cpython.h"

/* Is obj an object whose type is exactly `type`? */
bool lookup_exact(const struct cpython *py, uint64_t obj, uint64_t type);
/* ... of a type whose tp_flags has this flag (type_flags.h)? */
bool lookup_kind(const struct cpython *py, uint64_t obj, uint64_t flag);

/* Looks up a str key in a dict: the value's address, 0 = absent. */
uint64_t lookup_dict(const struct cpython *py, uint64_t dict, const char *key);

/* Looks up a str key in a table of keys (PyDictKeysObject): its entry's index. */
bool lookup_key(const struct cpython *py, uint64_t keys, const char *key,
		uint64_t *index_ret);

/* True when the str object is this ASCII text. */
bool lookup_str_equals(const struct cpython *py, uint64_t str, const char *text);

#endif
