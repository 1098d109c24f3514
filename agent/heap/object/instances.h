/* SPDX-License-Identifier: MIT */
/* instances - where an object keeps its attributes (pycore_object.h, typeobject.c). */
#ifndef PYMEM_AGENT_HEAP_OBJECT_INSTANCES_H
#define PYMEM_AGENT_HEAP_OBJECT_INSTANCES_H

#include "agent/heap/core/context.h"

/* Bytes of an object by its type's basic and item size, nothing outside of it. */
uint64_t instances_body(const struct walk *w, const struct walk_type *type, uint64_t obj);

/* The dict of obj, whose type has a place for one. */
static inline uint64_t instances_plain_dict(const struct walk *w,
					    const struct walk_type *type, uint64_t obj)
{
	uint64_t at = obj + (uint64_t)type->dictoffset;

	if (type->dictoffset < 0)
		at += (instances_body(w, type, obj) + 7) & ~7ULL;
	return peek64(at);
}

/*
 * The attributes of obj: *values_ret = address of values[0] and *n_ret their
 * number when they lie outside of any dict, else 0; returns the dict, or 0.  In 3.13+
 * both can be there: the dict then shows values that the instance owns.
 */
static inline uint64_t instances_attributes(const struct walk *w,
					    const struct walk_type *type, uint64_t obj,
					    uint64_t *values_ret, uint32_t *n_ret)
{
	const struct layout *lay = w->lay;
	uint64_t word;

	*values_ret = 0;
	*n_ret = type->nkeys;
	if (!type->managed_dict)
		return type->dictoffset ? instances_plain_dict(w, type, obj) : 0;
	word = peek64(obj - lay->managed_dict);
	switch (lay->managed) {
	case LAYOUT_MANAGED_311:
		*values_ret = word ? 0 : peek64(obj - lay->managed_dict - 8);
		return word;
	case LAYOUT_MANAGED_312:
		*values_ret = word & 1 ? word + 1 : 0;
		return word & 1 ? 0 : word;
	case LAYOUT_MANAGED_313:
		word &= ~7ULL;
		if (word && w->lay->dict_owns_embedded)
			return word;
		if (type->inline_values && peek8(obj + type->basicsize + 3)) {
			uint32_t capacity = peek8(obj + type->basicsize);

			*values_ret = obj + type->basicsize + lay->values_items;
			*n_ret = type->nkeys < capacity ? type->nkeys : capacity;
		}
		return word;
	case LAYOUT_MANAGED_NONE:
		break;
	}
	return 0;
}

/* Says that the values of an instance, which lie in a block of their own, are in use; the
 * byte before them tells how far the block begins before (new_values, dictobject.c).  Not
 * in an image: no hidden objects are looked for there, and it may lack that byte. */
static inline void instances_take_values(struct walk *w, uint64_t values)
{
	if (!PEEK_IN_IMAGE &&
	    (w->lay->managed == LAYOUT_MANAGED_311 ||
	     w->lay->managed == LAYOUT_MANAGED_312))
		marks_take(&w->marks, values - peek8(values - 1));
}

/* The attribute of a Python instance (values, managed or plain dict), 0 = absent. */
uint64_t instances_attribute(struct walk *w, uint64_t obj, const char *name);

#endif
