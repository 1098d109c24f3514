/* SPDX-License-Identifier: MIT */
/*
 * object - every object: found by address, by a range of addresses, by type, by
 * immediate dominator; ordered by address, type and what an object weighs.
 *
 * "The twenty largest of a type" is one pass that keeps twenty.  All objects by type
 * come from an index, so that GROUP BY type sorts nothing.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "viewer/query/node.h"
#include "viewer/report/common.h"

enum { KEY_EQUAL, KEY_LEAST, KEY_MOST, KEY_TYPE, KEY_DOMINATOR };

static const struct relation_key keys[] = {
	[KEY_EQUAL] = { NODE_ADDRESS, RELATION_EQ, false, false, 0 },
	[KEY_LEAST] = { NODE_ADDRESS, RELATION_AT_LEAST, false, false, 0.5 },
	[KEY_MOST] = { NODE_ADDRESS, RELATION_AT_MOST, false, false, 0.5 },
	[KEY_TYPE] = { NODE_TYPE, RELATION_EQ_TEXT, false, false, 0.01 },
	[KEY_DOMINATOR] = { NODE_DOMINATOR, RELATION_EQ, false, false, 0.00001 },
};

enum { BY_ADDRESS, BY_TYPE, BY_SIZE, BY_RETAINED, BY_COUNT };

static const struct relation_order orders[] = {
	[BY_ADDRESS] = { NODE_ADDRESS, false },
	[BY_TYPE] = { NODE_TYPE, false },
	[BY_SIZE] = { NODE_SIZE, false },
	[BY_RETAINED] = { NODE_RETAINED, false },
	[BY_COUNT] = { NODE_RETAINED_COUNT, false },
};

/* ---- which objects ---- */

/* First object whose address is not below a bound, or, `behind` it, is above. */
static uint32_t relation_object_bound(const struct heap *heap,
				      const struct relation_argument *bound, bool behind)
{
	uint32_t lo = 0, hi = heap->objects;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (relation_compare(heap_address(heap, mid), bound) < behind)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The ids that the bounds leave. */
static void relation_object_range(const struct relation_cursor *c, uint32_t *first,
				  uint32_t *end)
{
	const struct heap *heap = relation_indexed(c)->heap;
	const struct relation_argument *least = &c->argument[KEY_LEAST],
				       *most = &c->argument[KEY_MOST];

	*first = 0;
	*end = heap->objects;
	if (least->is_null || most->is_null)
		*end = 0;
	if (least->given && *end)
		*first = relation_object_bound(heap, least, least->strict);
	if (most->given && *end)
		*end = relation_object_bound(heap, most, !most->strict);
	if (*end < *first)
		*end = *first;
}

/* What the conditions ask for, looked up once. */
struct wanted {
	uint32_t first, end;   /* objects */
	uint32_t object, rank; /* HEAP_NONE, UINT32_MAX: any, unless `none` */
	uint32_t dominator;    /* HEAP_NONE: any */
	bool none;	       /* nothing can be that */
};

static void relation_object_wanted(const struct relation_cursor *c, struct wanted *ret)
{
	const struct relation_argument *type = &c->argument[KEY_TYPE];

	*ret = (struct wanted){ .object = HEAP_NONE,
				.rank = UINT32_MAX,
				.dominator = HEAP_NONE };
	relation_object_range(c, &ret->first, &ret->end);
	if (c->argument[KEY_EQUAL].given) {
		ret->object = relation_node(c, &c->argument[KEY_EQUAL]);
		ret->none |= ret->object == HEAP_NONE;
	}
	if (type->given) {
		if (type->is_text)
			ret->rank = indexed_rank(relation_indexed(c), type->text);
		ret->none |= ret->rank == UINT32_MAX;
	}
	if (c->argument[KEY_DOMINATOR].given) {
		ret->dominator = relation_node(c, &c->argument[KEY_DOMINATOR]);
		ret->none |= ret->dominator == HEAP_NONE;
	}
}

static inline bool relation_object_is(const struct indexed *ix, const struct wanted *w,
				      uint32_t object)
{
	return object >= w->first && object < w->end &&
		(w->object == HEAP_NONE || w->object == object) &&
		(w->rank == UINT32_MAX ||
		 w->rank == VEC(ix->rank, uint32_t)[heap_type_of(ix->heap, object)]) &&
		(w->dominator == HEAP_NONE ||
		 w->dominator == analysis_idom(ix->analysis, object));
}

/* Objects below a dominator, or of a type, or the one at an address, into ids. */
static int relation_object_find(struct relation_cursor *c, const struct wanted *w)
{
	struct indexed *ix = relation_indexed(c);
	struct heap_span span;
	int err;

	if (w->none)
		return 0;
	if (w->object != HEAP_NONE)
		return vec_push_u32(&c->ids, w->object);
	if (w->dominator == HEAP_NONE)
		return indexed_of_rank(ix, w->rank, &c->ids);
	err = analysis_children(ix->analysis, w->dominator, ix->progress, &span);
	return err ? err : vec_append(&c->ids, span.target, (size_t)span.count * 4);
}

/* What was found, without what another condition excludes. */
static void relation_object_narrow(struct relation_cursor *c, struct wanted *w)
{
	const struct indexed *ix = relation_indexed(c);
	uint32_t *ids = VEC(c->ids, uint32_t);
	size_t kept = 0, count = VEC_COUNT(c->ids, uint32_t);

	if (w->object == HEAP_NONE && w->dominator == HEAP_NONE)
		w->rank = UINT32_MAX; /* that is what they were found by */
	for (size_t i = 0; i < count; i++)
		if (relation_object_is(ix, w, ids[i]))
			ids[kept++] = ids[i];
	c->ids.size = kept * 4;
	c->listed = true;
	c->first = 0;
	c->count = (uint32_t)kept;
}

/* ---- in which order ---- */

static uint64_t relation_object_weight(const struct relation_cursor *c, uint32_t object)
{
	const struct indexed *ix = relation_indexed(c);
	uint64_t weight = object;

	switch (c->order) {
	case BY_SIZE:
		weight = heap_size(ix->heap, object);
		break;
	case BY_RETAINED:
		weight = analysis_retained(ix->analysis, object);
		break;
	case BY_COUNT:
		weight = analysis_retained_count(ix->analysis, object);
		break;
	case BY_TYPE:
		weight = VEC(ix->rank, uint32_t)[heap_type_of(ix->heap, object)];
		break;
	default:
		break;
	}
	return c->descending ? weight : ~weight;
}

static int relation_object_compare(const void *x, const void *y, void *arg)
{
	const uint32_t m = *(const uint32_t *)x, n = *(const uint32_t *)y;
	const uint64_t a = relation_object_weight(arg, m),
		       b = relation_object_weight(arg, n);

	if (a != b)
		return a > b ? -1 : 1;
	return m < n ? -1 : m > n;
}

/* What is in top becomes the rows; frees it.  err, or why they couldn't. */
static int relation_object_take(struct relation_cursor *c, struct top *top, int err)
{
	top_sort(top);
	c->ids.size = 0;
	c->first = 0;
	c->count = (uint32_t)VEC_COUNT(top->heap, struct top_entry);
	for (uint32_t i = 0; i < c->count && !err; i++)
		err = vec_push_u32(&c->ids, VEC(top->heap, struct top_entry)[i].id);
	c->listed = true;
	top_free(top);
	return err;
}

/* Keeps the first c->limit of them. */
static int relation_object_keep(struct relation_cursor *c)
{
	struct top top = { .limit = c->limit };
	int err = 0;

	for (uint32_t i = 0; i < c->count && !err; i++) {
		const uint32_t object =
			c->listed ? VEC(c->ids, uint32_t)[i] : c->first + i;

		if (i % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(&c->catalog->progress, "objects", i,
					    c->count);
		if (!err)
			err = top_offer(&top, relation_object_weight(c, object), object);
	}
	return relation_object_take(c, &top, err);
}

/* The first c->limit of a type, by one pass that lists no others. */
static int relation_object_best(struct relation_cursor *c, const struct wanted *w)
{
	struct indexed *const ix = relation_indexed(c);
	const uint32_t *const klass = VEC(ix->heap->klass, uint32_t);
	struct top top = { .limit = c->limit };
	struct vec ranks = { 0 };
	uint64_t least = 0; /* weight of those kept, once there are enough */
	int err = indexed_class_ranks(ix, &ranks);

	for (uint32_t o = w->first; o < w->end && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(&c->catalog->progress, "objects of a type", o, w->end))
			err = -ECANCELED;
		if (VEC(ranks, uint32_t)[klass[o]] != w->rank)
			continue;
		const uint64_t weight = relation_object_weight(c, o);
		if (top.offered >= c->limit && weight <= least)
			continue; /* of equal ones the first counts */
		if (!err)
			err = top_offer(&top, weight, o);
		if (top.offered >= c->limit)
			least = VEC(top.heap, struct top_entry)[0].key;
	}
	vec_free(&ranks);
	return relation_object_take(c, &top, err);
}

static int relation_object_arrange(struct relation_cursor *c)
{
	int err = 0;

	if (c->order < 0 || (c->order == BY_ADDRESS && !c->descending && !c->listed))
		return 0;
	if (c->limit && c->limit < c->count)
		return relation_object_keep(c);
	if (c->order == BY_TYPE && !c->listed &&
	    c->count == relation_indexed(c)->heap->objects) {
		c->count = 0;
		c->parts = indexed_ranks(relation_indexed(c));
		return indexed_by_type(relation_indexed(c));
	}
	for (uint32_t i = 0; i < c->count && !c->listed && !err; i++)
		err = vec_push_u32(&c->ids, c->first + i);
	if (!err)
		err = progress_step(&c->catalog->progress, "sorting", 0, 0);
	if (err)
		return err;
	c->listed = true;
	c->first = 0;
	if (c->count)
		qsort_r(c->ids.data, c->count, 4, relation_object_compare, c);
	return 0;
}

/* The objects of a rank: a part of those that are ordered by type. */
static int relation_object_refill(struct relation_cursor *c)
{
	struct indexed *const ix = relation_indexed(c);
	const uint32_t rank = c->descending ? c->parts - 1 - c->part : c->part;
	const int err = indexed_of_rank(ix, rank, &c->ids);

	c->part++;
	c->listed = true;
	c->count = (uint32_t)VEC_COUNT(c->ids, uint32_t);
	return err;
}

static int relation_object_select(struct relation_cursor *c)
{
	struct wanted wanted;
	int err = 0;

	relation_object_wanted(c, &wanted);
	if (c->limit && c->order >= 0 && wanted.rank != UINT32_MAX && !wanted.none &&
	    wanted.object == HEAP_NONE && wanted.dominator == HEAP_NONE)
		return relation_object_best(c, &wanted);
	if (c->argument[KEY_EQUAL].given || c->argument[KEY_DOMINATOR].given ||
	    c->argument[KEY_TYPE].given) {
		err = relation_object_find(c, &wanted);
		relation_object_narrow(c, &wanted);
	} else {
		c->first = wanted.first;
		c->count = wanted.end - wanted.first;
	}
	return err ? err : relation_object_arrange(c);
}

static void relation_object_column(struct relation_cursor *c, sqlite3_context *context,
				   int column)
{
	node_column(c, context, relation_id(c), (enum node_column)column);
}

const struct relation relation_object = {
	.name = "object",
	.title = "every object",
	.columns = NODE_COLUMNS,
	.keys = keys,
	.nkeys = COUNT_OF(keys),
	.orders = orders,
	.norders = COUNT_OF(orders),
	.select = relation_object_select,
	.refill = relation_object_refill,
	.column = relation_object_column,
};
