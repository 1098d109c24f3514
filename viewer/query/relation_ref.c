/* SPDX-License-Identifier: MIT */
/*
 * ref - every reference from an object that leads to an object in the snapshot: found by
 * source and by target.  What the interpreter itself holds is in `root`.
 *
 * The slot after an object's last is the implicit reference to its type.
 */
#include <assert.h>

#include "viewer/query/node.h"
#include "viewer/report/common.h"

enum {
	COLUMN_SNAPSHOT,
	COLUMN_SOURCE,
	COLUMN_TARGET,
	COLUMN_KIND,
	COLUMN_NAME,
	COLUMN_POSITION,
	COLUMN_LABEL,
	COLUMN_WEAK
};
enum { KEY_SOURCE, KEY_TARGET };

static const struct relation_key keys[] = {
	[KEY_SOURCE] = { COLUMN_SOURCE, RELATION_EQ, false, false, 0.000001 },
	[KEY_TARGET] = { COLUMN_TARGET, RELATION_EQ, false, false, 0.000003 },
};

static int relation_ref_select(struct relation_cursor *c)
{
	struct indexed *ix = relation_indexed(c);
	const bool by_target = c->argument[KEY_TARGET].given;
	const uint32_t source = relation_node(c, &c->argument[KEY_SOURCE]),
		       target = relation_node(c, &c->argument[KEY_TARGET]);
	int err = 0;

	if (by_target && target == HEAP_NONE)
		return 0;
	if (c->argument[KEY_SOURCE].given) {
		c->first = source == HEAP_NONE ? 0 : source;
		c->count = source != HEAP_NONE;
		return 0;
	}
	if (!by_target) {
		c->count = ix->heap->objects;
		return 0;
	}
	err = indexed_referrers(ix, target, &c->ids);
	c->listed = true;
	c->count = (uint32_t)VEC_COUNT(c->ids, uint32_t);
	return err;
}

/* The first slot from `slot` on whose target it is; HEAP_NONE when there is none. */
static uint32_t relation_ref_slot_to(const struct heap *heap, uint32_t node,
				     uint32_t slot, uint32_t target)
{
	const uint32_t end = heap_refs(heap, node).count;
	const uint32_t found =
		slot < end ? heap_slot_after(heap, node, slot, target) : HEAP_NONE;

	if (found != HEAP_NONE)
		return found;
	return slot <= end && heap_type_edge(heap, node) == target ? end : HEAP_NONE;
}

static void relation_ref_settle(struct relation_cursor *c)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_id(c);
	const bool by_target = c->argument[KEY_TARGET].given;
	const uint32_t target = relation_node(c, &c->argument[KEY_TARGET]);

	c->slots = 0;
	if (node >= heap->objects)
		return;
	const uint32_t end = heap_refs(heap, node).count;
	if (by_target) {
		c->slot = relation_ref_slot_to(heap, node, c->slot, target);
		c->slots = c->slot != HEAP_NONE;
		return;
	}
	while (c->slot < end && heap_target(heap, node, c->slot, NULL) == HEAP_NONE)
		c->slot++;
	c->slots = c->slot < end ||
		(c->slot == end && heap_type_edge(heap, node) != HEAP_NONE);
}

static const char *relation_ref_kind(unsigned kind)
{
	static const char *const names[SNAP_LABEL_KIND_COUNT] = {
		[SNAP_LABEL_ATTR] = "attr",   [SNAP_LABEL_KEY] = "key",
		[SNAP_LABEL_VALUE] = "value", [SNAP_LABEL_INDEX] = "index",
		[SNAP_LABEL_LOCAL] = "local", [SNAP_LABEL_ELEMENT] = "element",
		[SNAP_LABEL_CELL] = "cell",   [SNAP_LABEL_TYPE] = "type",
		[SNAP_LABEL_WEAK] = "weak",   [SNAP_LABEL_STACK] = "stack",
		[SNAP_LABEL_DICT] = "dict",
	};

	return kind < SNAP_LABEL_KIND_COUNT && names[kind] ? names[kind] : "other";
}

/* The attribute's or variable's name, or the key as a value: what label says, bare. */
static void relation_ref_put_name(struct relation_cursor *c, sqlite3_context *context,
				  const struct heap_label *label)
{
	const struct heap *heap = relation_indexed(c)->heap;

	if (label->name) {
		relation_put_string(c, context, label->name);
		return;
	}
	if (label->kind != SNAP_LABEL_VALUE || label->key >= heap->objects)
		return;
	text_clear(&c->scratch);
	describe_value(&c->scratch, heap, label->key, 0);
	relation_put_text(c, context);
}

static void relation_ref_column(struct relation_cursor *c, sqlite3_context *context,
				int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_id(c);
	const bool type = c->slot == heap_refs(heap, node).count;
	const uint32_t slot = type ? HEAP_NONE : c->slot;
	struct heap_label label;
	bool weak = false;

	if (column == COLUMN_SOURCE) {
		relation_put_node(c, context, node);
		return;
	}
	const uint32_t target =
		type ? heap_type_edge(heap, node) : heap_target(heap, node, slot, &weak);
	if (column == COLUMN_TARGET) {
		relation_put_node(c, context, target);
		return;
	}
	if (column == COLUMN_WEAK) {
		sqlite3_result_int(context, weak);
		return;
	}
	heap_label(heap, node, slot, &label);
	switch (column) {
	case COLUMN_KIND:
		sqlite3_result_text(context, relation_ref_kind(label.kind), -1,
				    SQLITE_STATIC);
		break;
	case COLUMN_NAME:
		relation_ref_put_name(c, context, &label);
		break;
	case COLUMN_POSITION:
		if (label.kind == SNAP_LABEL_INDEX)
			relation_put_count(context, label.index);
		break;
	default:
		text_clear(&c->scratch);
		describe_edge(&c->scratch, heap, node, slot);
		relation_put_text(c, context);
	}
}

/* References have numbers in the heap; an object's type follows its own. */
static uint64_t relation_ref_key(const struct relation_cursor *c)
{
	const uint32_t node = relation_id(c);

	return heap_row(relation_indexed(c)->heap, node) + node + c->slot;
}

const struct relation relation_ref = {
	.name = "ref",
	.title = "every reference between objects",
	.columns = "snapshot INTEGER, source ADDRESS, target ADDRESS, kind TEXT, "
		   "name TEXT, position INTEGER, label TEXT, weak BOOLEAN",
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.select = relation_ref_select,
	.settle = relation_ref_settle,
	.column = relation_ref_column,
	.key = relation_ref_key,
};
