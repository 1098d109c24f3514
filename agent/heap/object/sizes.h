/* SPDX-License-Identifier: MIT */
/* sizes - what sys.getsizeof would say, natively. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SIZES_H
#define PYMEM_AGENT_HEAP_OBJECT_SIZES_H

#include "agent/heap/core/walk_internal.h"

/* Decides once how big instances of a type are: type->size, prefix and flags. */
void sizes_plan(struct walk *w, struct walk_type *type);

/* object.__sizeof__: basic size and items. */
walk_size_fn sizes_object;

#endif
