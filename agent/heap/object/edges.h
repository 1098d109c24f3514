/* SPDX-License-Identifier: MIT */
/* edges - the references of an object, labelled. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_EDGES_H
#define PYMEM_AGENT_HEAP_OBJECT_EDGES_H

#include "agent/heap/core/references.h"
#include "agent/heap/object/instances.h"
#include "agent/python/dict.h"

/* Picks the function that lists the references of a new type's instances; fills in
 * slots, shapes and tail of its record. */
void edges_plan(struct walk *w, struct walk_type *type);

/* Slots and attributes alone, in the order of the labels; returns their shape. */
uint32_t edges_own(struct walk *w, struct walk_type *type, uint64_t obj);

/* Of whatever has the structure of a dict. */
walk_edges_fn edges_dict;
/* Of exactly these types; of a type whose slots and attributes are all there is. */
walk_edges_fn edges_tuple, edges_list, edges_plain;

/* The same for what there are millions of, to be compiled into what writes these. */

static inline uint32_t edges_of_tuple(struct walk *w, struct walk_type *type,
				      uint64_t obj)
{
	(void)type;
	references_in_place(w, obj + w->lay->tuple_items, peek64(obj + w->lay->head));
	return w->shape_index;
}

static inline uint32_t edges_of_list(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	references_in_place(w, peek64(obj + w->lay->list_items),
			    peek64(obj + w->lay->head));
	return w->shape_index;
}

/* Entries {key, value} are pairs already: sent in place, deleted ones as absent. */
static inline uint32_t edges_of_dict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct dict_table t;

	if (peek64(obj + w->lay->dict_values))
		return edges_dict(w, type, obj);
	dict_keys_table(w->lay, peek64(obj + w->lay->dict_keys), &t);
	if (t.stride != 16 || context_is_interned(w, obj))
		return edges_dict(w, type, obj);
	references_in_place(w, t.entries, t.nentries * 2);
	return w->shape_pairs;
}

static inline uint32_t edges_of_plain(struct walk *w, struct walk_type *type,
				      uint64_t obj)
{
	const struct walk_slot *slot = type->slots, *const end = slot + type->nslots;
	uint64_t dict, values, *ref;
	uint32_t n;

	while (__builtin_expect(w->refs_capacity < type->nslots + 1 + type->nkeys, 0)) {
		references_make_room(w);
		if (w->err)
			return 0;
	}
	for (ref = w->refs; slot < end; slot++)
		*ref++ = peek64(obj + slot->offset);
	w->nrefs = type->nslots;
	if (!type->dictoffset && !type->managed_dict)
		return type->shape;
	dict = instances_attributes(w, type, obj, &values, &n);
	if (!values && !dict)
		return type->shape;
	*ref++ = dict;
	w->nrefs++;
	if (!values)
		return type->shape_dict;
	instances_take_values(w, values);
	for (uint32_t i = 0; i < n; i++)
		*ref++ = peek64(values + i * 8ULL);
	for (uint32_t i = n; i < type->nkeys; i++)
		*ref++ = 0;
	w->nrefs += type->nkeys;
	return type->shape_values;
}

#endif
