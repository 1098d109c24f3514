/* SPDX-License-Identifier: MIT */
/*
 * Table-valued functions over an object's surroundings: path, referrers, referents,
 * dominated, retained_set, reachable.  Their argument is the object's address; in a
 * snapshot without it they have no rows.
 */
#include <assert.h>
#include <errno.h>

#include "viewer/query/node.h"
#include "viewer/report/common.h"

enum {
	COLUMN_STEP = NODE_COLUMN_COUNT, /* 0, 1, 2, ... */
	COLUMN_LABEL,
	COLUMN_OF,
	COLUMN_WITHOUT
};
enum { KEY_OF, KEY_WITHOUT };

static const struct relation_key keys[] = {
	[KEY_OF] = { COLUMN_OF, RELATION_EQ, true, true, 0 },
};
static const struct relation_key keys_without[] = {
	[KEY_OF] = { COLUMN_OF, RELATION_EQ, true, true, 0 },
	[KEY_WITHOUT] = { COLUMN_WITHOUT, RELATION_EQ, true, false, 0 },
};

#define WALK_COLUMNS NODE_COLUMNS ", step INTEGER, label TEXT, of ADDRESS HIDDEN"

static uint32_t relation_walk_of(const struct relation_cursor *c)
{
	return relation_node(c, &c->argument[KEY_OF]);
}

/* The rows are the ids. */
static int relation_walk_listed(struct relation_cursor *c, int err)
{
	c->listed = true;
	c->count = (uint32_t)VEC_COUNT(c->ids, uint32_t);
	return err;
}

static void relation_walk_put_edge(struct relation_cursor *c, sqlite3_context *context,
				   uint32_t from, uint32_t slot)
{
	text_clear(&c->scratch);
	describe_edge(&c->scratch, relation_indexed(c)->heap, from, slot);
	relation_put_text(c, context);
}

static void relation_walk_put_edge_to(struct relation_cursor *c, sqlite3_context *context,
				      uint32_t from, uint32_t to)
{
	relation_walk_put_edge(c, context, from,
			       heap_slot(relation_indexed(c)->heap, from, to));
}

/* Columns of every function but label. */
static void relation_walk_plain(struct relation_cursor *c, sqlite3_context *context,
				int column)
{
	if (column == COLUMN_STEP)
		sqlite3_result_int64(context, c->at);
	else if (column < NODE_COLUMN_COUNT)
		node_column(c, context, relation_id(c), (enum node_column)column);
}

/* ---- path: from a root group to the object ---- */

static int relation_walk_path(struct relation_cursor *c)
{
	const struct analysis *a = relation_indexed(c)->analysis;
	const uint32_t node = relation_walk_of(c);

	if (node == HEAP_NONE)
		return 0;
	const uint32_t length = analysis_path(a, node, NULL, 0);
	if (vec_append(&c->ids, NULL, (size_t)length * 4))
		return -ENOMEM;
	analysis_path(a, node, c->ids.data, length);
	return relation_walk_listed(c, 0);
}

static void relation_walk_path_column(struct relation_cursor *c, sqlite3_context *context,
				      int column)
{
	if (column == COLUMN_LABEL && c->at > 0) {
		relation_walk_put_edge_to(c, context, VEC(c->ids, uint32_t)[c->at - 1],
					  relation_id(c));
	} else if (column == NODE_PATH) {
		/* the rows before it: climbing for each would be quadratic */
		text_clear(&c->scratch);
		describe_steps(&c->scratch, relation_indexed(c)->heap,
			       VEC(c->ids, uint32_t), c->at + 1);
		relation_put_text(c, context);
	} else {
		relation_walk_plain(c, context, column);
	}
}

const struct relation relation_path = {
	.name = "path",
	.title = "path(ADDRESS): the shortest path from a root to it",
	.columns = WALK_COLUMNS,
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.rows = 20,
	.select = relation_walk_path,
	.column = relation_walk_path_column,
	.key = relation_position,
};

/* ---- referrers, referents ---- */

static int relation_walk_referrers(struct relation_cursor *c)
{
	const uint32_t node = relation_walk_of(c);

	if (node == HEAP_NONE)
		return 0;
	return relation_walk_listed(
		c, indexed_referrers(relation_indexed(c), node, &c->ids));
}

static void relation_walk_referrer(struct relation_cursor *c, sqlite3_context *context,
				   int column)
{
	if (column == COLUMN_LABEL)
		relation_walk_put_edge_to(c, context, relation_id(c),
					  relation_walk_of(c));
	else
		relation_walk_plain(c, context, column);
}

const struct relation relation_referrers = {
	.name = "referrers",
	.title = "referrers(ADDRESS): what refers to it",
	.columns = WALK_COLUMNS,
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.rows = 20,
	.select = relation_walk_referrers,
	.column = relation_walk_referrer,
	.key = relation_position,
};

/* Its slots that lead somewhere are the rows: the id is the slot. */
static int relation_walk_referents(struct relation_cursor *c)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_walk_of(c);
	int err = 0;

	if (node == HEAP_NONE)
		return 0;
	const uint32_t count = heap_refs(heap, node).count;
	for (uint32_t slot = 0; slot < count && !err; slot++)
		if (heap_target(heap, node, slot, NULL) != HEAP_NONE)
			err = vec_push_u32(&c->ids, slot);
	if (!err && heap_type_edge(heap, node) != HEAP_NONE)
		err = vec_push_u32(&c->ids, HEAP_NONE);
	return relation_walk_listed(c, err);
}

static void relation_walk_referent(struct relation_cursor *c, sqlite3_context *context,
				   int column)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const uint32_t node = relation_walk_of(c), slot = relation_id(c);
	const uint32_t to = slot == HEAP_NONE ? heap_type_edge(heap, node) :
						heap_target(heap, node, slot, NULL);

	if (column == COLUMN_LABEL)
		relation_walk_put_edge(c, context, node, slot);
	else if (column == COLUMN_STEP)
		sqlite3_result_int64(context, c->at);
	else if (column < NODE_COLUMN_COUNT)
		node_column(c, context, to, (enum node_column)column);
}

const struct relation relation_referents = {
	.name = "referents",
	.title = "referents(ADDRESS): what it refers to",
	.columns = WALK_COLUMNS,
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.rows = 20,
	.select = relation_walk_referents,
	.column = relation_walk_referent,
	.key = relation_position,
};

/* ---- dominated, retained_set ---- */

static int relation_walk_children(struct relation_cursor *c, uint32_t node)
{
	struct indexed *ix = relation_indexed(c);
	struct heap_span span;
	const int err = analysis_children(ix->analysis, node, ix->progress, &span);

	return err ? err : vec_append(&c->ids, span.target, (size_t)span.count * 4);
}

static int relation_walk_dominated(struct relation_cursor *c)
{
	const uint32_t node = relation_walk_of(c);

	return node == HEAP_NONE ?
		0 :
		relation_walk_listed(c, relation_walk_children(c, node));
}

const struct relation relation_dominated = {
	.name = "dominated",
	.title = "dominated(ADDRESS): what it dominates immediately, largest first",
	.columns = WALK_COLUMNS,
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.rows = 100,
	.select = relation_walk_dominated,
	.column = relation_walk_plain,
	.key = relation_position,
};

/* The list grows while it is read: breadth first, itself included. */
static int relation_walk_retained(struct relation_cursor *c)
{
	const uint32_t node = relation_walk_of(c);
	int err = node == HEAP_NONE ? 0 : vec_push_u32(&c->ids, node);

	for (size_t i = 0; i < VEC_COUNT(c->ids, uint32_t) && !err; i++)
		err = relation_walk_children(c, VEC(c->ids, uint32_t)[i]);
	return relation_walk_listed(c, err);
}

const struct relation relation_retained_set = {
	.name = "retained_set",
	.title = "retained_set(ADDRESS): what would go with it, itself included",
	.columns = WALK_COLUMNS,
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.rows = 1000,
	.select = relation_walk_retained,
	.column = relation_walk_plain,
	.key = relation_position,
};

/* ---- reachable ---- */

static int relation_walk_visit(struct vec *seen, struct vec *list, uint32_t node)
{
	uint64_t *word = VEC(*seen, uint64_t) + node / 64, bit = 1ull << (node & 63);

	assert(node / 64 < VEC_COUNT(*seen, uint64_t));
	if (*word & bit)
		return 0;
	*word |= bit;
	return vec_push_u32(list, node);
}

/* Strong references of one node: weak ones hold nothing. */
static int relation_walk_expand(const struct heap *heap, struct vec *seen,
				struct vec *list, uint32_t node)
{
	struct heap_span refs = heap_refs(heap, node);
	const uint32_t type = heap_type_edge(heap, node);
	int err = 0;

	for (uint32_t i = 0; i < refs.count && !err; i++)
		if (refs.target[i] < heap->nodes)
			err = relation_walk_visit(seen, list, refs.target[i]);
	if (!err && type != HEAP_NONE)
		err = relation_walk_visit(seen, list, type);
	return err;
}

/* Breadth first from the object; from all roots for 0. */
static int relation_walk_reachable(struct relation_cursor *c)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const struct relation_argument *of = &c->argument[KEY_OF];
	const bool roots = of->is_number && of->number == 0;
	const uint32_t node = roots ? heap_root(heap) : relation_walk_of(c),
		       without = relation_node(c, &c->argument[KEY_WITHOUT]);
	struct vec seen = { 0 };
	int err;

	if (node == HEAP_NONE || node == without)
		return 0;
	err = vec_alloc(&seen, ((size_t)heap->nodes / 64 + 1) * 8);
	if (!err && without != HEAP_NONE)
		VEC(seen, uint64_t)[without / 64] |= 1ull << (without & 63);
	if (!err)
		err = relation_walk_visit(&seen, &c->ids, node);
	for (size_t i = 0; i < VEC_COUNT(c->ids, uint32_t) && !err; i++) {
		if (i % PROGRESS_EVERY == 0)
			err = progress_step(&c->catalog->progress, "reachable", i,
					    heap->nodes);
		if (!err)
			err = relation_walk_expand(heap, &seen, &c->ids,
						   VEC(c->ids, uint32_t)[i]);
	}
	vec_free(&seen);
	return relation_walk_listed(c, err);
}

const struct relation relation_reachable = {
	.name = "reachable",
	.title = "reachable(ADDRESS, WITHOUT): what it leads to but through WITHOUT; "
		 "0: from the roots",
	.columns = WALK_COLUMNS ", \"without\" ADDRESS HIDDEN",
	.keys = keys_without,
	.nkeys = COUNT_OF(keys_without),
	.rows = 10000,
	.select = relation_walk_reachable,
	.column = relation_walk_plain,
	.key = relation_position,
};
