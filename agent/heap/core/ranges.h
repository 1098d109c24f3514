/* SPDX-License-Identifier: MIT */
/*
 * ranges - the mappings of this process when the walk began, and the test whether a
 * doubtful word is the address of an object.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_RANGES_H
#define PYMEM_AGENT_HEAP_CORE_RANGES_H

#include "agent/heap/core/walk_internal.h"

/* Reads /proc/self/maps into w->ranges. 0, -ENOMEM, or -EIO. */
int ranges_read(struct walk *w);

/*
 * Of an address that walk_is_object() accepted: is it proven, by its neighbours on
 * a collector's list pointing back at it (or by being a static type)?
 */
bool ranges_is_tracked(struct walk *w, uint64_t addr);

/* Is this the code of the interpreter or of a module of its standard library? */
bool ranges_ship_with_python(struct walk *w, uint64_t code);

#endif
