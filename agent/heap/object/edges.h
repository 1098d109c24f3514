/* SPDX-License-Identifier: MIT */
/* edges - picks the function that lists the references of a type's instances. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_EDGES_H
#define PYMEM_AGENT_HEAP_OBJECT_EDGES_H

#include "agent/heap/core/walk_internal.h"

/* Fills in slots, shapes, tail and edges of a new type record. */
void edges_plan(struct walk *w, struct walk_type *type);

/* fields.c: adds what the tables know of a C type's references. */
void fields_add(struct walk *w, struct walk_type *type, uint64_t base,
		struct walk_slot *slots, uint32_t *nslots, uint32_t capacity);

/* The word of a slot in obj, unchecked; 0 where there is no such block. */
uint64_t edges_slot(struct walk *w, const struct walk_slot *slot, uint64_t obj);
/* Labels of the slots, and shapes from them; again whenever slots were added. */
void edges_plan_shapes(struct walk *w, struct walk_type *type);

/* edges_types.c */
uint32_t edges_of_type(struct walk *w, struct walk_type *type, uint64_t obj);

/* closures.c: after a function was emitted, its closure tuple with its names. */
void closures_emit(struct walk *w, uint64_t function);
/* Is this exact tuple a function's closure, by the looks of it? */
bool closures_looks_like(const struct walk *w, uint64_t tuple);

#endif
