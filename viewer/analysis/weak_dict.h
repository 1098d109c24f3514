/* SPDX-License-Identifier: MIT */
/* weak_dict - weak dictionaries (Lib/weakref.py) whose entries never go. */
#ifndef PYMEM_VIEWER_ANALYSIS_WEAK_DICT_H
#define PYMEM_VIEWER_ANALYSIS_WEAK_DICT_H

#include "viewer/analysis/analysis.h"

#define WEAK_DICT_TYPES "weakref.WeakKeyDictionary weakref.WeakValueDictionary"
#define WEAK_SET_TYPES "_weakrefset.WeakSet"

/* Whether the table keeps what a weak reference is to. */
bool weak_dict_keeps(const struct analysis *analysis, uint32_t table, uint32_t ref);
/* How many of the first `most` entries of one keep themselves: their weakly held side
 * lives by the dictionary's own table alone (a value refers to its key).  *entries_ret:
 * how many were looked at. */
uint64_t weak_dict_self_held(const struct analysis *analysis, uint32_t dict,
			     uint64_t most, uint64_t *entries_ret);

#endif
