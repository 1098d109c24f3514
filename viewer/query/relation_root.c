/* SPDX-License-Identifier: MIT */
/*
 * root, local, module - what synthetic nodes hold: every entry of a root group, a thread
 * or a frame that leads to an object.  local: those of frames; module: those of
 * sys.modules.
 */
#include <string.h>

#include "formats/core/words.h"
#include "viewer/query/node.h"
#include "viewer/report/common.h"

static bool relation_root_kind(const struct heap *heap, uint32_t node,
			       enum heap_synth_kind kind)
{
	return heap_synth(heap, node)->kind == (uint32_t)kind;
}

/* All synthetic nodes, or those of one kind, as ids. */
static int relation_root_take(struct relation_cursor *c, bool all,
			      enum heap_synth_kind kind)
{
	const struct heap *heap = relation_indexed(c)->heap;
	int err = 0;

	for (uint32_t n = heap_root(heap) + 1; n < heap_native_base(heap) && !err; n++)
		if (all || relation_root_kind(heap, n, kind))
			err = vec_push_u32(&c->ids, n);
	c->listed = true;
	c->count = (uint32_t)VEC_COUNT(c->ids, uint32_t);
	return err;
}

static void relation_root_settle(struct relation_cursor *c)
{
	const struct heap *heap = relation_indexed(c)->heap;
	struct heap_span refs = heap_refs(heap, relation_id(c));

	while (c->slot < refs.count && refs.target[c->slot] >= heap->objects)
		c->slot++;
	c->slots = c->slot < refs.count;
}

static uint64_t relation_root_key(const struct relation_cursor *c)
{
	return (uint64_t)heap_synth(relation_indexed(c)->heap, relation_id(c))->first +
		c->slot;
}

static int relation_root_select(struct relation_cursor *c)
{
	return relation_root_take(c, true, HEAP_SYNTH_ROOT);
}

static uint32_t relation_root_frame(const struct heap *heap, uint32_t node)
{
	return relation_root_kind(heap, node, HEAP_SYNTH_FRAME) ?
		heap_synth(heap, node)->ref :
		0;
}

static uint32_t relation_root_thread(const struct heap *heap, uint32_t node)
{
	const uint32_t frame = relation_root_frame(heap, node);

	if (relation_root_kind(heap, node, HEAP_SYNTH_THREAD))
		return heap_synth(heap, node)->ref;
	return frame ? VEC(heap->frame, struct snap_frame)[frame].thread : 0;
}

static void relation_root_put_id(sqlite3_context *context, uint32_t id)
{
	if (id)
		sqlite3_result_int64(context, id);
}

static void relation_root_put_group(sqlite3_context *context, const struct heap *heap,
				    uint32_t node)
{
	const uint32_t kind = heap_synth(heap, node)->kind;

	sqlite3_result_text(context,
			    kind == HEAP_SYNTH_THREAD	     ? "(thread)" :
				    kind == HEAP_SYNTH_FRAME ? "(frame)" :
							       heap_group_name(kind),
			    -1, SQLITE_STATIC);
}

static void relation_root_column(struct relation_cursor *c, sqlite3_context *context,
				 int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_id(c);
	struct heap_label label;

	heap_label(heap, node, c->slot, &label);
	switch (column) {
	case 1:
		relation_put_node(c, context, heap_refs(heap, node).target[c->slot]);
		break;
	case 2:
		relation_root_put_group(context, heap, node);
		break;
	case 3:
		if (label.root_kind < SNAP_ROOT_KIND_COUNT)
			sqlite3_result_text(context, words_roots[label.root_kind].kind,
					    -1, SQLITE_STATIC);
		break;
	case 4:
		relation_put_string(c, context, label.name);
		break;
	case 5:
		relation_root_put_id(context, relation_root_thread(heap, node));
		break;
	case 6:
		relation_root_put_id(context, relation_root_frame(heap, node));
		break;
	case 7:
		sqlite3_result_int(context, !!(label.flags & SNAP_ROOT_BORROWED));
		break;
	default:
		sqlite3_result_int(context, !!(label.flags & SNAP_ROOT_CONSERVATIVE));
	}
}

const struct relation relation_root = {
	.name = "root",
	.title = "what the interpreter holds: modules, locals, C variables, ...",
	.columns = "snapshot INTEGER, target ADDRESS, \"group\" TEXT, kind TEXT, "
		   "name TEXT, thread INTEGER, frame INTEGER, borrowed BOOLEAN, "
		   "conservative BOOLEAN",
	.rows = 5000,
	.select = relation_root_select,
	.settle = relation_root_settle,
	.column = relation_root_column,
	.key = relation_root_key,
};

/* ---- local ---- */

static int relation_root_locals(struct relation_cursor *c)
{
	return relation_root_take(c, false, HEAP_SYNTH_FRAME);
}

static void relation_root_local(struct relation_cursor *c, sqlite3_context *context,
				int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_id(c),
		       object = heap_refs(heap, node).target[c->slot];
	struct heap_label label;

	heap_label(heap, node, c->slot, &label);
	switch (column) {
	case 1:
		relation_root_put_id(context, relation_root_thread(heap, node));
		break;
	case 2:
		relation_root_put_id(context, relation_root_frame(heap, node));
		break;
	case 3:
		relation_put_string(c, context, label.name);
		break;
	case 4:
		if (label.root_kind < SNAP_ROOT_KIND_COUNT)
			sqlite3_result_text(context, words_roots[label.root_kind].kind,
					    -1, SQLITE_STATIC);
		break;
	case 5:
		node_column(c, context, object, NODE_ADDRESS);
		break;
	case 6:
		node_column(c, context, object, NODE_TYPE);
		break;
	case 7:
		node_column(c, context, object, NODE_RETAINED);
		break;
	default:
		node_column(c, context, object, NODE_VALUE);
	}
}

const struct relation relation_local = {
	.name = "local",
	.title = "what running frames hold: local variables, temporaries",
	.columns = "snapshot INTEGER, thread INTEGER, frame INTEGER, name TEXT, "
		   "kind TEXT, target ADDRESS, type TEXT, retained BYTES, value TEXT",
	.rows = 2000,
	.select = relation_root_locals,
	.settle = relation_root_settle,
	.column = relation_root_local,
	.key = relation_root_key,
};

/* ---- module ---- */

static int relation_root_modules(struct relation_cursor *c)
{
	return relation_root_take(c, false, HEAP_SYNTH_MODULES);
}

static void relation_root_module(struct relation_cursor *c, sqlite3_context *context,
				 int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_id(c),
		       object = heap_refs(heap, node).target[c->slot];
	struct heap_label label;
	const char *name;
	size_t size;

	heap_label(heap, node, c->slot, &label);
	name = heap_string(heap, label.name, &size);
	switch (column) {
	case 1:
		relation_put_string(c, context, label.name);
		break;
	case 2:
		text_clear(&c->scratch);
		text_escape(&c->scratch, name, strcspn(name, "."), 0, 0);
		relation_put_text(c, context);
		break;
	case 3:
		node_column(c, context, object, NODE_ADDRESS);
		break;
	case 4:
		node_column(c, context, object, NODE_TYPE);
		break;
	case 5:
		node_column(c, context, object, NODE_RETAINED);
		break;
	default:
		node_column(c, context, object, NODE_RETAINED_COUNT);
	}
}

const struct relation relation_module = {
	.name = "module",
	.title = "sys.modules",
	.columns = "snapshot INTEGER, name TEXT, package TEXT, address ADDRESS, "
		   "type TEXT, retained BYTES, retained_count INTEGER",
	.rows = 500,
	.select = relation_root_modules,
	.settle = relation_root_settle,
	.column = relation_root_module,
	.key = relation_root_key,
};
