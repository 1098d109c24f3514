/* SPDX-License-Identifier: MIT */
/*
 * sizes - formulas of the builtin types: what obj.__sizeof__() would say.  Memory that
 * a size counts outside of the object itself is noted as held by live objects.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SIZES_H
#define PYMEM_AGENT_HEAP_OBJECT_SIZES_H

#include "agent/heap/core/context.h"

walk_size_fn sizes_object; /* object.__sizeof__: basic size and items */
walk_size_fn sizes_int, sizes_str, sizes_list, sizes_dict, sizes_odict, sizes_set,
	sizes_bytearray, sizes_type;

#endif
