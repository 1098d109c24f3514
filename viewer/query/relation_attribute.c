/* SPDX-License-Identifier: MIT */
/*
 * attribute - what objects have under a name, wherever CPython of that version keeps it:
 * in the object itself, or in its __dict__.  Also a module's globals and a class's
 * members.  Found by object.
 *
 * A row's slot is the object's own, or, after those, one of its dict's.  From CPython
 * 3.13 on the values of a dict may lie in the object that it was made for, and the
 * snapshot says so of that object only: another of its type that was given the dict has
 * them from there.
 */
#include <string.h>

#include "viewer/query/node.h"
#include "viewer/report/common.h"

enum {
	COLUMN_OBJECT = 1,
	COLUMN_NAME,
	COLUMN_TARGET,
	COLUMN_TYPE,
	COLUMN_SIZE,
	COLUMN_RETAINED,
	COLUMN_VALUE
};

static const struct relation_key keys[] = {
	{ COLUMN_OBJECT, RELATION_EQ, false, false, 0.00001 },
};

static int relation_attribute_select(struct relation_cursor *c)
{
	const struct relation_argument *object = &c->argument[0];
	const uint32_t node = relation_node(c, object);

	if (!object->given) {
		c->count = relation_indexed(c)->heap->objects;
	} else if (node != HEAP_NONE) {
		c->first = node;
		c->count = 1;
	}
	return 0;
}

/* The slot that leads to the object's __dict__; HEAP_NONE: there is none. */
static uint32_t relation_attribute_dict(const struct heap *heap, uint32_t object)
{
	const struct heap_shape *shape =
		&VEC(heap->shape, struct heap_shape)[heap_class_of(heap, object)->shape];
	const struct snap_label *label =
		VEC(heap->label, struct snap_label) + shape->first;
	const uint32_t count = heap_refs(heap, object).count;

	for (uint32_t i = 0; i < shape->nfixed && i < count; i++)
		if (label[i].kind == SNAP_LABEL_DICT ||
		    (label[i].kind == SNAP_LABEL_ATTR &&
		     !strcmp(heap_string(heap, label[i].name, NULL), "__dict__")))
			return i;
	return HEAP_NONE;
}

/* Whether its dict is that one, and values of attributes lie in the object. */
static bool relation_attribute_lends(const struct heap *heap, uint32_t object,
				     uint32_t dict)
{
	const uint32_t count = heap_refs(heap, object).count,
		       slot = relation_attribute_dict(heap, object);
	struct heap_label label;

	if (slot == HEAP_NONE || heap_target(heap, object, slot, NULL) != dict)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		heap_label(heap, object, i, &label);
		if (label.kind == SNAP_LABEL_ATTR &&
		    heap_target(heap, object, i, NULL) != HEAP_NONE)
			return true;
	}
	return false;
}

static bool relation_attribute_is_empty(const struct heap *heap, uint32_t dict)
{
	const struct heap_span refs = heap_refs(heap, dict);

	for (uint32_t i = 0; i < refs.count; i++)
		if (refs.target[i] != HEAP_ABSENT)
			return false;
	return true;
}

/* Where the values of an object's dict are: in it, or in another of the object's type. */
static uint32_t relation_attribute_values(struct indexed *ix, uint32_t object,
					  uint32_t dict)
{
	const struct heap *heap = ix->heap;
	struct vec others = { 0 };

	if (analysis_idom(ix->analysis, dict) == object || /* no other has it */
	    !relation_attribute_is_empty(heap, dict))
		return dict;
	if (ix->lent.object == object + 1)
		return ix->lent.values;
	ix->lent.object = object + 1;
	ix->lent.values = dict;
	if (!indexed_referrers(ix, dict, &others))
		for (size_t i = 0; i < VEC_COUNT(others, uint32_t); i++) {
			const uint32_t other = VEC(others, uint32_t)[i];

			if (other < heap->objects && other != object &&
			    heap_type_of(heap, other) == heap_type_of(heap, object) &&
			    relation_attribute_lends(heap, other, dict))
				ix->lent.values = other;
		}
	vec_free(&others);
	return ix->lent.values;
}

/* Where an object's attributes are. */
struct attributes {
	uint32_t object, own;	/* its own slots */
	uint32_t values, slots; /* of its dict, or of who has them; and all slots */
	bool lent;		/* the values are another object's attributes */
};

static void relation_attribute_find(struct indexed *ix, uint32_t object,
				    struct attributes *ret)
{
	const struct heap *heap = ix->heap;
	const uint32_t slot = relation_attribute_dict(heap, object);
	uint32_t dict = HEAP_NONE;

	*ret = (struct attributes){ .object = object,
				    .own = heap_refs(heap, object).count,
				    .values = HEAP_NONE };
	ret->slots = ret->own;
	if (slot != HEAP_NONE)
		dict = heap_target(heap, object, slot, NULL);
	if (dict >= heap->objects)
		return;
	ret->values = relation_attribute_values(ix, object, dict);
	ret->lent = ret->values != dict;
	ret->slots += heap_refs(heap, ret->values).count;
}

/* Where a row's reference is. */
struct attribute {
	uint32_t holder, slot, target;
	struct heap_label label;
};

/* False: the slot is not an attribute. */
static bool relation_attribute_at(const struct heap *heap, const struct attributes *a,
				  uint32_t slot, struct attribute *ret)
{
	const bool own = slot < a->own, lent = !own && a->lent;

	ret->holder = own ? a->object : a->values;
	ret->slot = own ? slot : slot - a->own;
	ret->target = heap_target(heap, ret->holder, ret->slot, NULL);
	if (ret->target == HEAP_NONE || ret->target >= heap->objects)
		return false;
	/* what the object has itself, in a slot of its class, is its own */
	if (lent && ret->slot < a->own &&
	    heap_target(heap, a->object, ret->slot, NULL) != HEAP_NONE)
		return false;
	heap_label(heap, ret->holder, ret->slot, &ret->label);
	return ret->label.kind == (own || lent ? SNAP_LABEL_ATTR : SNAP_LABEL_VALUE);
}

static void relation_attribute_settle(struct relation_cursor *c)
{
	struct indexed *const ix = relation_indexed(c);
	struct attributes all;
	struct attribute attribute;

	relation_attribute_find(ix, relation_id(c), &all);
	while (c->slot < all.slots &&
	       !relation_attribute_at(ix->heap, &all, c->slot, &attribute))
		c->slot++;
	c->slots = c->slot < all.slots;
}

/* A key that is a str is written bare, as in the source; any other as a value. */
static void relation_attribute_put_name(struct relation_cursor *c,
					sqlite3_context *context,
					const struct heap_label *label)
{
	const struct heap *heap = relation_indexed(c)->heap;
	struct heap_value key;

	if (label->name) {
		relation_put_string(c, context, label->name);
		return;
	}
	if (label->key >= heap->objects)
		return;
	text_clear(&c->scratch);
	if (heap_value(heap, label->key, &key) && key.kind == SNAP_VALUE_STR)
		text_escape(&c->scratch, key.text, key.size, 0, 0);
	else
		describe_value(&c->scratch, heap, label->key, 0);
	relation_put_text(c, context);
}

static void relation_attribute_column(struct relation_cursor *c, sqlite3_context *context,
				      int column)
{
	static const enum node_column of[] = {
		[COLUMN_TARGET] = NODE_ADDRESS, [COLUMN_TYPE] = NODE_TYPE,
		[COLUMN_SIZE] = NODE_SIZE,	[COLUMN_RETAINED] = NODE_RETAINED,
		[COLUMN_VALUE] = NODE_VALUE,
	};
	struct indexed *const ix = relation_indexed(c);
	struct attributes all;
	struct attribute attribute;

	relation_attribute_find(ix, relation_id(c), &all);
	if (!relation_attribute_at(ix->heap, &all, c->slot, &attribute))
		return;
	if (column == COLUMN_OBJECT)
		relation_put_node(c, context, all.object);
	else if (column == COLUMN_NAME)
		relation_attribute_put_name(c, context, &attribute.label);
	else
		node_column(c, context, attribute.target, of[column]);
}

/* An object's own slots have numbers in the heap, and so have its dict's.  A dict may be
 * the __dict__ of several objects: then, behind all these numbers, the object and the
 * place in the dict count together. */
static uint64_t relation_attribute_key(const struct relation_cursor *c)
{
	struct indexed *const ix = relation_indexed(c);
	const struct heap *heap = ix->heap;
	struct attributes a;

	relation_attribute_find(ix, relation_id(c), &a);
	if (c->slot < a.own)
		return heap_row(heap, a.object) + c->slot;
	if (analysis_idom(ix->analysis, a.values) == a.object) /* no other has it */
		return heap->slots + heap_row(heap, a.values) + c->slot - a.own;
	const unsigned bits = 32 - (unsigned)__builtin_clz(heap->objects);
	return 1ull << (RELATION_KEY_BITS - 1) | (uint64_t)(c->slot - a.own) << bits |
		a.object;
}

const struct relation relation_attribute = {
	.name = "attribute",
	.title = "attributes of objects, globals of modules, members of classes",
	.columns = "snapshot INTEGER, object ADDRESS, name TEXT, target ADDRESS, "
		   "type TEXT, size BYTES, retained BYTES, value TEXT",
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.select = relation_attribute_select,
	.settle = relation_attribute_settle,
	.column = relation_attribute_column,
	.key = relation_attribute_key,
};
