/* SPDX-License-Identifier: MIT */
/*
 * edges - the references of an object, labelled.
 *
 * The exact builtin containers have a walker each.  Everything else is put
 * together from three parts, in the order of the shape's labels:
 *
 *	slots	    members and __slots__ of the class and its bases, and what the
 *		    tables know of C types (slots.h)
 *	attributes  the instance's __dict__, or the values kept outside of one
 *	tail	    the builtin base's items (class C(dict), class C(list) ...), and
 *		    what tp_traverse reports beyond all these
 */
#include "agent/heap/object/edges.h"

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/shapes.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/specialist.h"
#include "agent/heap/object/edges_types.h"
#include "agent/heap/object/names.h"
#include "agent/heap/object/slots.h"
#include "agent/python/dict.h"

/* ---- exact builtin containers ---- */

uint32_t edges_tuple(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return edges_of_tuple(w, type, obj);
}

uint32_t edges_list(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return edges_of_list(w, type, obj);
}

static void edges_set_items(struct walk *w, uint64_t obj)
{
	uint64_t entry = peek64(obj + w->lay->set_table);
	uint64_t end = entry + (peek64(obj + w->lay->set_mask) + 1) * 16;

	for (; entry < end; entry += 16) {
		uint64_t key = peek64(entry);

		/* a deleted entry holds the dummy, with the hash no object has */
		if (key && peek64(entry + 8) != UINT64_MAX)
			references_add(w, key);
	}
}

static uint32_t edges_set(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	edges_set_items(w, obj);
	return w->shape_element;
}

static void edges_pairs(struct walk *w, const struct dict_table *t)
{
	uint64_t entry = t->entries, end = entry + t->nentries * t->stride;

	for (; entry < end; entry += t->stride) {
		uint64_t key = peek64(entry), value = peek64(entry + 8);

		if (!key || !value)
			continue;
		references_add(w, key);
		references_add(w, value);
	}
}

uint32_t edges_dict(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct dict_table t;
	uint32_t shape;

	dict_table(w->lay, obj, &t);
	if (t.values && w->lay->attributes_unknown) {
		references_traverse(w, type, obj);
		return 0;
	}
	if (!t.values) {
		if (t.stride == 16)
			references_in_place(w, t.entries, t.nentries * 2);
		else
			edges_pairs(w, &t);
		return context_is_interned(w, obj) ?
			shapes_add(w, NULL, 0, SNAP_TAIL_WEAK) :
			w->shape_pairs;
	}
	if (t.embedded && !w->lay->dict_owns_embedded) /* the instance shows them */
		return w->shape_pairs;
	shape = shapes_of_keys(w, &t);
	for (uint64_t i = 0; i < t.nentries; i++)
		references_add(w, peek64(t.values + i * 8));
	return shape;
}

/* An OrderedDict's nodes own a reference to each key besides the table's. */
static void edges_odict_nodes(struct walk *w, uint64_t obj)
{
	uint64_t limit = peek64(obj + w->lay->dict_used);
	uint64_t node = peek64(obj + w->lay->dict_values + 8); /* od_first */

	for (; node && limit; node = peek64(node + 16), limit--) {
		references_add(w, peek64(node));
		references_add(w, 0);
	}
}

/* By kind: what the items of a type with that builtin base are, and the function for
 * the builtin type itself. */
static const struct edges_row {
	uint8_t tail;
	uint8_t part; /* of the layout, by which the items are read: enum layout_parts */
	bool leaf;    /* that type has no references */
	walk_edges_fn *exact;
} edges_by_kind[SNAP_KIND_COUNT] = {
	[SNAP_KIND_DICT] = { SNAP_TAIL_PAIRS, LAYOUT_DICT, false, edges_dict },
	[SNAP_KIND_LIST] = { SNAP_TAIL_INDEX, LAYOUT_LIST, false, edges_list },
	[SNAP_KIND_TUPLE] = { SNAP_TAIL_INDEX, 0, false, edges_tuple },
	[SNAP_KIND_SET] = { SNAP_TAIL_ELEMENT, LAYOUT_SET, false, edges_set },
	[SNAP_KIND_DEQUE] = { SNAP_TAIL_INDEX, 0, false, NULL },
	[SNAP_KIND_INT] = { SNAP_TAIL_OTHER, 0, true, NULL },
	[SNAP_KIND_BOOL] = { SNAP_TAIL_OTHER, 0, true, NULL },
	[SNAP_KIND_FLOAT] = { SNAP_TAIL_OTHER, 0, true, NULL },
	[SNAP_KIND_STR] = { SNAP_TAIL_OTHER, 0, true, NULL },
	[SNAP_KIND_BYTES] = { SNAP_TAIL_OTHER, 0, true, NULL },
	[SNAP_KIND_BYTEARRAY] = { SNAP_TAIL_OTHER, 0, true, NULL },
	[SNAP_KIND_NONE] = { SNAP_TAIL_OTHER, 0, true, NULL },
};

/* ---- everything else ---- */

static void edges_slots(struct walk *w, const struct walk_type *type, uint64_t obj)
{
	for (uint32_t i = 0; i < type->nslots; i++) {
		const struct walk_slot *slot = &type->slots[i];
		uint64_t ref;

		ref = slot->flags & WALK_SLOT_TRAVERSED ? 0 :
							  references_slot(w, slot, obj);
		if ((slot->flags & WALK_SLOT_GATE) && !peek8(obj + slot->gate))
			ref = 0;
		if (ref && (slot->flags & WALK_SLOT_CHECK) &&
		    !marks_test(&w->marks, ref) && !sound_object(w, ref))
			ref = 0;
		references_add(w, ref);
	}
}

/* The items of the builtin base. True when these are all there is. */
static bool edges_base(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct dict_table t;
	uint64_t items;

	if (w->lay->unknown & edges_by_kind[type->kind].part)
		return !type->traverse;
	switch (type->kind) {
	case SNAP_KIND_DICT:
		dict_table(w->lay, obj, &t);
		if (!t.values)
			edges_pairs(w, &t);
		break;
	case SNAP_KIND_LIST:
	case SNAP_KIND_TUPLE:
		if (type->tail != SNAP_TAIL_INDEX)
			break; /* a struct sequence */
		items = type->kind == SNAP_KIND_TUPLE ? obj + w->lay->tuple_items :
							peek64(obj + w->lay->list_items);
		for (uint64_t n = peek64(obj + w->lay->head); n; n--, items += 8)
			references_add(w, peek64(items));
		break;
	case SNAP_KIND_SET:
		edges_set_items(w, obj);
		break;
	default:
		break;
	}
	if (type->native_base == CPYTHON_ADDR(w->py, odict_type) &&
	    !(w->lay->unknown & LAYOUT_DICT))
		edges_odict_nodes(w, obj);
	return type->complete || !type->traverse;
}

/* Slots and attributes, in the order of the labels. */
uint32_t edges_own(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t dict, values;
	uint32_t n;

	edges_slots(w, type, obj);
	if (!type->dictoffset && !type->managed_dict)
		return type->shape;
	dict = instances_attributes(w, type, obj, &values, &n);
	if (!values && !dict)
		return type->shape;
	references_add(w, dict);
	if (!values)
		return type->shape_dict;
	instances_take_values(w, values);
	for (uint32_t i = 0; i < type->nkeys; i++)
		references_add(w, i < n ? peek64(values + i * 8ULL) : 0);
	return type->shape_values;
}

uint32_t edges_plain(struct walk *w, struct walk_type *type, uint64_t obj)
{
	return edges_of_plain(w, type, obj);
}

static uint32_t edges_object(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint32_t shape, known, fixed;
	bool again = true;

	do {
		w->nrefs = 0;
		shape = edges_own(w, type, obj);
		fixed = w->nrefs;
		if (edges_base(w, type, obj)) {
			if (type->guess && names_guess(w, type, obj))
				continue;
			return shape;
		}
		known = w->nrefs;
		references_traverse(w, type, obj);
		names_claim(w, type, obj, 0, known);
		again = (w->nrefs > known && names_learn(w, type, obj, known)) ||
			(type->guess && names_guess(w, type, obj));
	} while (again);
	if (w->nrefs > known && type->rest && known == fixed)
		return names_rest_shape(w, type, shape, known, w->nrefs - known);
	return shape;
}

/* A weak reference: the referent is not owned, the callback is. */
static uint32_t edges_weakref(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t target = peek64(obj + w->lay->head);
	uint32_t shape = edges_object(w, type, obj);

	/* slot 0 is wr_object, see fields.c; a dead one points to None */
	if (type->nslots && target == CPYTHON_ADDR(w->py, none))
		w->refs[0] = 0;
	return shape;
}

/* ---- the plan of a type ---- */

/* Bases whose references the slots and tail tell completely: no tp_traverse needed.
 * Those whose fields are told by tables may have one more in a newer CPython. */
static bool edges_base_complete(const struct walk *w, const struct walk_type *type)
{
	enum { BY_TABLES = 6 };
	const struct cpython_symbols *s = &w->py->sym;
	const void *const complete[] = {
		s->function_type,  s->cell_type,	 s->method_type, s->weakref_type,
		s->weakproxy_type, s->weakcallable_type, s->object_type, s->dict_type,
		s->odict_type,	   s->list_type,	 s->tuple_type,	 s->set_type,
		s->frozenset_type,
	};

	for (size_t i = w->lay->newer ? BY_TABLES : 0;
	     i < sizeof(complete) / sizeof(complete[0]); i++)
		if (complete[i] && type->native_base == (uintptr_t)complete[i])
			return true;
	return false;
}

/* Do slots and attributes tell everything, each slot with its offset? */
static bool edges_is_plain(const struct walk *w, const struct walk_type *type)
{
	if (edges_by_kind[type->kind].tail != SNAP_TAIL_OTHER || type->guess ||
	    (type->traverse && !type->complete) ||
	    type->native_base == CPYTHON_ADDR(w->py, odict_type))
		return false;
	for (uint32_t i = 0; i < type->nslots; i++)
		if (type->slots[i].flags || type->slots[i].via)
			return false;
	return true;
}

/* Has the builtin type no references?  From 3.15 on a bytearray's bytes are an object. */
static bool edges_is_leaf(const struct walk *w, const struct walk_type *type)
{
	return type->exact && edges_by_kind[type->kind].leaf &&
		!(type->kind == SNAP_KIND_BYTEARRAY && w->lay->bytearray_in_bytes);
}

void edges_plan(struct walk *w, struct walk_type *type)
{
	const struct specialist *special =
		type->special_base == type->addr ? type->specialist : NULL;
	const bool known = !(w->lay->unknown & edges_by_kind[type->kind].part);

	type->edges = type->exact && known ? edges_by_kind[type->kind].exact : NULL;
	if (special && special->edges)
		type->edges = special->edges;
	if (type->edges || edges_is_leaf(w, type))
		return;
	type->tail = known ? edges_by_kind[type->kind].tail : SNAP_TAIL_OTHER;
	type->guess = names_must_guess(w, type);
	slots_collect(w, type);
	if (type->kind == SNAP_KIND_TUPLE)
		slots_fold_structseq(w, type);
	type->complete =
		(edges_base_complete(w, type) || (special && special->complete)) &&
		known && !(w->lay->attributes_unknown && (type->flags & SNAP_TYPE_HEAP));
	slots_shapes(w, type);
	if (type->kind == SNAP_KIND_TYPE)
		type->edges = edges_types_of;
	else if (type->kind == SNAP_KIND_WEAKREF)
		type->edges = edges_weakref;
	else
		type->edges = edges_is_plain(w, type) ? edges_plain : edges_object;
}
