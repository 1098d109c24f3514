/* SPDX-License-Identifier: MIT */
/* edges - the references of an object, labelled. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_EDGES_H
#define PYMEM_AGENT_HEAP_OBJECT_EDGES_H

#include "agent/heap/core/context.h"

/* Picks the function that lists the references of a new type's instances; fills in
 * slots, shapes and tail of its record. */
void edges_plan(struct walk *w, struct walk_type *type);

/* Slots and attributes alone, in the order of the labels; returns their shape. */
uint32_t edges_own(struct walk *w, struct walk_type *type, uint64_t obj);

/* Of whatever has the structure of a dict. */
walk_edges_fn edges_dict;

#endif
