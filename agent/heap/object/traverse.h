/* SPDX-License-Identifier: MIT */
#ifndef PYMEM_AGENT_HEAP_OBJECT_TRAVERSE_H
#define PYMEM_AGENT_HEAP_OBJECT_TRAVERSE_H

#include "agent/heap/core/walk_internal.h"

/* May tp_traverse be called on obj?  Not on static types (it aborts the process),
 * not for types on the skip list. */
bool traverse_allowed(const struct walk_type *type, uint64_t obj);

#endif
