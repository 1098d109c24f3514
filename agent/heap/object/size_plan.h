/* SPDX-License-Identifier: MIT */
/*
 * size_plan - how a type's instances are measured as sys.getsizeof would.
 *
 * sys.getsizeof(o) is o.__sizeof__() plus a prefix for the gc header and the
 * words before it (Python/sysmodule.c:_PySys_GetSizeOf).  The method's owner
 * along the mro decides: object and the builtin containers have a formula (sizes.h), a
 * specialist may have one; another C method is called directly (size_call.h); a method
 * written in Python is never called: object's formula stands in and the size is marked
 * approximate.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SIZE_PLAN_H
#define PYMEM_AGENT_HEAP_OBJECT_SIZE_PLAN_H

#include "agent/heap/core/context.h"

/* Decides once: type->size, prefix and flags.  name_sizeof: the interned str
 * "__sizeof__". */
void size_plan(struct walk *w, struct walk_type *type, uint64_t name_sizeof);

/* What sys.getsizeof adds to __sizeof__. */
uint32_t size_plan_prefix(const struct walk *w, const struct walk_type *type,
			  uint64_t obj);

#endif
