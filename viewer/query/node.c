/* SPDX-License-Identifier: MIT */
/* node - the columns of a node (node.h). */
#include "viewer/query/node.h"

#include <assert.h>
#include <errno.h>

#include "viewer/analysis/sharing.h"
#include "viewer/model/site.h"
#include "viewer/name/describe.h"

const char *node_kind_name(unsigned kind)
{
	static const char *const names[SNAP_KIND_COUNT] = {
		[SNAP_KIND_OBJECT] = "object",
		[SNAP_KIND_INT] = "int",
		[SNAP_KIND_BOOL] = "bool",
		[SNAP_KIND_FLOAT] = "float",
		[SNAP_KIND_STR] = "str",
		[SNAP_KIND_BYTES] = "bytes",
		[SNAP_KIND_BYTEARRAY] = "bytearray",
		[SNAP_KIND_TUPLE] = "tuple",
		[SNAP_KIND_LIST] = "list",
		[SNAP_KIND_DICT] = "dict",
		[SNAP_KIND_SET] = "set",
		[SNAP_KIND_TYPE] = "type",
		[SNAP_KIND_MODULE] = "module",
		[SNAP_KIND_FUNCTION] = "function",
		[SNAP_KIND_METHOD] = "method",
		[SNAP_KIND_CODE] = "code",
		[SNAP_KIND_FRAME] = "frame",
		[SNAP_KIND_GENERATOR] = "generator",
		[SNAP_KIND_CELL] = "cell",
		[SNAP_KIND_WEAKREF] = "weakref",
		[SNAP_KIND_BUILTIN] = "builtin",
		[SNAP_KIND_NONE] = "None",
		[SNAP_KIND_EXCEPTION] = "exception",
		[SNAP_KIND_TRACEBACK] = "traceback",
		[SNAP_KIND_DEQUE] = "deque",
		[SNAP_KIND_MEMORYVIEW] = "memoryview",
	};

	return kind < SNAP_KIND_COUNT && names[kind] ? names[kind] : "object";
}

/* ---- where it is held ---- */

static void node_fail(sqlite3_context *context, int err)
{
	if (err == -ENOMEM)
		sqlite3_result_error_nomem(context);
	else
		sqlite3_result_error_code(context, SQLITE_INTERRUPT);
}

static void node_put_depth(struct relation_cursor *c, sqlite3_context *context,
			   uint32_t node)
{
	uint32_t depth;
	const int err = indexed_find(relation_indexed(c), STAGE_DEPTH, node, &depth);

	if (err)
		node_fail(context, err);
	else
		sqlite3_result_int64(context, depth);
}

/* How its shortest path begins: "module app", "local x in f (a.py:3) of thread T". */
static void node_put_root(struct relation_cursor *c, sqlite3_context *context,
			  uint32_t node)
{
	uint32_t top;
	const int err = indexed_find(relation_indexed(c), STAGE_TOP, node, &top);

	if (err) {
		node_fail(context, err);
		return;
	}
	text_clear(&c->scratch);
	describe_path(&c->scratch, relation_indexed(c)->analysis, top);
	relation_put_text(c, context);
}

/* The module that its shortest path begins in. */
static void node_put_module(struct relation_cursor *c, sqlite3_context *context,
			    uint32_t node)
{
	struct indexed *ix = relation_indexed(c);
	uint32_t module;
	const int err = indexed_find(ix, STAGE_TOP, node, &module);
	struct heap_label label;

	if (err) {
		node_fail(context, err);
		return;
	}
	const uint32_t group = heap_group(ix->heap, HEAP_SYNTH_MODULES);
	if (analysis_parent(ix->analysis, module) != group)
		return;
	heap_label(ix->heap, group, heap_slot(ix->heap, group, module), &label);
	relation_put_string(c, context, label.name);
}

/* The thread without which it would go. */
static void node_put_thread(struct relation_cursor *c, sqlite3_context *context,
			    uint32_t node)
{
	struct indexed *ix = relation_indexed(c);
	uint32_t held;
	const int err = indexed_find(ix, STAGE_HELD, node, &held);

	if (err) {
		node_fail(context, err);
		return;
	}
	if (heap_is_native(ix->heap, held))
		return;
	const struct heap_synth *s = heap_synth(ix->heap, held);
	if (s->kind == HEAP_SYNTH_THREAD)
		sqlite3_result_int64(context, s->ref);
	else if (s->kind == HEAP_SYNTH_FRAME)
		sqlite3_result_int64(
			context, VEC(ix->heap->frame, struct snap_frame)[s->ref].thread);
}

/* ---- what it is ---- */

static void node_put_type(struct relation_cursor *c, sqlite3_context *context,
			  uint32_t node)
{
	const struct indexed *ix = relation_indexed(c);

	if (node < ix->heap->objects) {
		/* names live as long as the connection */
		sqlite3_result_text(context,
				    indexed_type_name(ix, heap_type_of(ix->heap, node)),
				    -1, SQLITE_STATIC);
		return;
	}
	text_clear(&c->scratch);
	describe_node(&c->scratch, ix->heap, node);
	relation_put_text(c, context);
}

/* Items of a container. */
static uint64_t node_items(const struct heap *heap, uint32_t node, unsigned kind)
{
	const struct heap_shape *shape =
		&VEC(heap->shape, struct heap_shape)[heap_class_of(heap, node)->shape];
	const struct heap_span refs = heap_refs(heap, node);
	uint64_t items = 0;

	for (uint32_t i = kind == SNAP_KIND_DICT ? 0 : shape->nfixed; i < refs.count; i++)
		items += refs.target[i] != HEAP_ABSENT;
	return shape->tail == SNAP_TAIL_PAIRS ? items / 2 : items;
}

/* Items, or characters, bytes, bits of what has a value. */
static void node_put_length(const struct relation_cursor *c, sqlite3_context *context,
			    uint32_t node)
{
	const struct heap *heap = relation_indexed(c)->heap;
	struct heap_value value;

	if (node >= heap->objects)
		return;
	const unsigned kind = heap_kind(heap, node);
	if (heap_kind_is_container(kind))
		relation_put_count(context, node_items(heap, node, kind));
	else if (heap_value(heap, node, &value) && value.kind <= SNAP_VALUE_INT)
		relation_put_count(context, value.length);
}

static void node_put_described(struct relation_cursor *c, sqlite3_context *context,
			       uint32_t node, enum node_column column)
{
	const struct indexed *ix = relation_indexed(c);

	text_clear(&c->scratch);
	if (column == NODE_PATH)
		describe_path(&c->scratch, ix->analysis, node);
	else
		describe_value(&c->scratch, ix->heap, node, 0);
	relation_put_text(c, context);
}

static void node_put_flag(const struct relation_cursor *c, sqlite3_context *context,
			  uint32_t node, uint32_t flag)
{
	const struct heap *heap = relation_indexed(c)->heap;

	if (node < heap->objects)
		sqlite3_result_int(context, !!(heap_class_of(heap, node)->flags & flag));
}

/* Where tracemalloc saw it allocated: "shop.py:12". */
static void node_put_site(struct relation_cursor *c, sqlite3_context *context,
			  uint32_t node, enum node_column column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t site = site_of(heap, node);

	if (!site)
		return;
	if (column == NODE_SITE) {
		relation_put_count(context, site);
		return;
	}
	text_clear(&c->scratch);
	describe_line(&c->scratch, heap, site_at(heap, site)->file,
		      site_at(heap, site)->line);
	relation_put_text(c, context);
}

/* Columns that only objects have. */
static void node_object_column(struct relation_cursor *c, sqlite3_context *context,
			       uint32_t node, enum node_column column)
{
	const struct heap *heap = relation_indexed(c)->heap;

	switch (column) {
	case NODE_KIND:
		sqlite3_result_text(context, node_kind_name(heap_kind(heap, node)), -1,
				    SQLITE_STATIC);
		break;
	case NODE_SIZE:
		relation_put_count(context, heap_size(heap, node));
		break;
	case NODE_REFCOUNT:
		if (!(heap_class_of(heap, node)->flags & SNAP_OBJ_IMMORTAL))
			relation_put_count(context, heap_refcount(heap, node));
		break;
	case NODE_SURPLUS:
		sqlite3_result_int64(context, heap_surplus(heap, node));
		break;
	case NODE_LENGTH:
		node_put_length(c, context, node);
		break;
	case NODE_VALUE:
		node_put_described(c, context, node, column);
		break;
	case NODE_ALLOCATED:
	case NODE_SITE:
		node_put_site(c, context, node, column);
		break;
	case NODE_SHARED:
		sqlite3_result_text(context, sharing_name(sharing_of(heap, node)), -1,
				    SQLITE_STATIC);
		break;
	case NODE_IMMORTAL:
		if (node < heap->objects)
			sqlite3_result_int(context,
					   (heap_class_of(heap, node)->flags &
					    (SNAP_OBJ_IMMORTAL | SNAP_OBJ_DEFERRED)) ==
						   SNAP_OBJ_IMMORTAL);
		break;
	default:
		node_put_flag(c, context, node, SNAP_OBJ_GC_TRACKED);
		break;
	}
}

void node_column(struct relation_cursor *c, sqlite3_context *context, uint32_t node,
		 enum node_column column)
{
	const struct indexed *ix = relation_indexed(c);

	assert(node < ix->heap->nodes && column < NODE_COLUMN_COUNT);
	switch (column) {
	case NODE_ADDRESS:
		relation_put_node(c, context, node);
		break;
	case NODE_TYPE:
		node_put_type(c, context, node);
		break;
	case NODE_RETAINED:
		relation_put_count(context, analysis_retained(ix->analysis, node));
		break;
	case NODE_RETAINED_COUNT:
		sqlite3_result_int64(context,
				     analysis_retained_count(ix->analysis, node));
		break;
	case NODE_DEPTH:
		node_put_depth(c, context, node);
		break;
	case NODE_PARENT:
		relation_put_node(c, context, analysis_parent(ix->analysis, node));
		break;
	case NODE_DOMINATOR:
		relation_put_node(c, context, analysis_idom(ix->analysis, node));
		break;
	case NODE_ROOT:
		node_put_root(c, context, node);
		break;
	case NODE_MODULE:
		node_put_module(c, context, node);
		break;
	case NODE_THREAD:
		node_put_thread(c, context, node);
		break;
	case NODE_PATH:
		node_put_described(c, context, node, column);
		break;
	default:
		if (node < ix->heap->objects)
			node_object_column(c, context, node, column);
	}
}
