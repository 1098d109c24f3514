/* SPDX-License-Identifier: MIT */
/* instances - where an object keeps its attributes (pycore_object.h, typeobject.c). */
#ifndef PYMEM_AGENT_HEAP_OBJECT_INSTANCES_H
#define PYMEM_AGENT_HEAP_OBJECT_INSTANCES_H

#include "agent/heap/core/context.h"

/*
 * The attributes of obj: *values_ret = address of values[0] and *n_ret their
 * number when they lie outside of any dict, else 0; returns the dict, or 0.  In 3.13+
 * both can be there: the dict then shows values that the instance owns.
 */
uint64_t instances_attributes(const struct walk *w, const struct walk_type *type,
			      uint64_t obj, uint64_t *values_ret, uint32_t *n_ret);

/* Bytes of an object by its type's basic and item size, nothing outside of it. */
uint64_t instances_body(const struct walk *w, const struct walk_type *type, uint64_t obj);

/* The attribute of a Python instance (values, managed or plain dict), 0 = absent. */
uint64_t instances_attribute(struct walk *w, uint64_t obj, const char *name);

#endif
