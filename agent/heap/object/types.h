/* SPDX-License-Identifier: MIT */
/* types - one record per Python type, made when its first instance is met. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_TYPES_H
#define PYMEM_AGENT_HEAP_OBJECT_TYPES_H

#include "agent/heap/core/walk_internal.h"

/* Makes the tables of strings, shapes and types. 0 or -ENOMEM. */
int tables_init(struct walk *w);

/* A name looked up along tp_mro, by the address of its interned str; 0 = nowhere.
 * *owner_ret is the class that has it. Runs no Python code. */
uint64_t types_lookup(const struct walk *w, uint64_t type, uint64_t name,
		      uint64_t *owner_ret);

#endif
