/* SPDX-License-Identifier: MIT */
/* indexed - a snapshot with the indexes that queries ask for (indexed.h). */
#include "viewer/query/indexed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/name/describe.h"

enum { BLOCK = 256, SCANS = 2 /* questions that are answered without an index */ };

/* ---- names ---- */

static int indexed_by_name(const void *x, const void *y, void *arg)
{
	const struct indexed *ix = arg;
	uint32_t m = *(const uint32_t *)x, n = *(const uint32_t *)y;
	int by = strcmp(indexed_type_name(ix, m), indexed_type_name(ix, n));

	return by ? by : m < n ? -1 : m > n;
}

static int indexed_add_names(struct indexed *ix)
{
	const struct heap *heap = ix->heap;
	struct text one = { 0 };
	int err = 0;

	for (uint32_t t = 0; t <= heap->types && !err; t++) {
		text_clear(&one);
		describe_type(&one, heap, t);
		err = one.err;
		if (!err)
			err = vec_push_u32(&ix->name, (uint32_t)ix->names.buf.size);
		if (!err)
			err = vec_append(&ix->names.buf, text_get(&one),
					 strlen(text_get(&one)) + 1);
	}
	text_free(&one);
	return err;
}

static int indexed_add_ranks(struct indexed *ix)
{
	size_t types = (size_t)ix->heap->types + 1;
	struct vec sorted = { 0 };
	int err = vec_alloc(&ix->rank, types * 4);

	for (uint32_t t = 0; t < types && !err; t++)
		err = vec_push_u32(&sorted, t);
	if (!err)
		qsort_r(sorted.data, types, 4, indexed_by_name, ix);
	for (size_t i = 0; i < types && !err; i++) {
		uint32_t type = VEC(sorted, uint32_t)[i];
		size_t n = VEC_COUNT(ix->ranked, uint32_t);

		if (!n ||
		    strcmp(indexed_type_name(ix, VEC(ix->ranked, uint32_t)[n - 1]),
			   indexed_type_name(ix, type)))
			err = vec_push_u32(&ix->ranked, type);
		if (!err)
			VEC(ix->rank, uint32_t)
		[type] = (uint32_t)VEC_COUNT(ix->ranked, uint32_t) - 1;
	}
	vec_free(&sorted);
	return err;
}

int indexed_open(struct indexed *ix, struct process *process,
		 const struct progress *progress)
{
	assert(process->analysis);
	*ix = (struct indexed){ .process = process,
				.heap = process->heap,
				.analysis = process->analysis,
				.progress = progress };
	int err = indexed_add_names(ix);

	return err ? err : indexed_add_ranks(ix);
}

void indexed_free(struct indexed *ix)
{
	struct vec *vecs[] = { &ix->name,	&ix->names.buf, &ix->rank,
			       &ix->ranked,	&ix->order_row, &ix->order,
			       &ix->source_row, &ix->source,	&ix->low,
			       &ix->depth,	&ix->top,	&ix->held };

	for (size_t i = 0; i < sizeof(vecs) / sizeof(vecs[0]); i++)
		vec_free(vecs[i]);
	growth_free(&ix->growth);
}

const char *indexed_type_name(const struct indexed *ix, uint32_t type)
{
	assert(type < VEC_COUNT(ix->name, uint32_t));
	return VEC(ix->names.buf, const char) + VEC(ix->name, uint32_t)[type];
}

uint32_t indexed_rank(const struct indexed *ix, const char *name)
{
	size_t lo = 0, count = VEC_COUNT(ix->ranked, uint32_t), hi = count;
	const uint32_t *ranked = VEC(ix->ranked, uint32_t);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(indexed_type_name(ix, ranked[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < count && !strcmp(indexed_type_name(ix, ranked[lo]), name) ?
		(uint32_t)lo :
		UINT32_MAX;
}

/* ---- by type ---- */

/* Where each class's (heap.h) objects go: a rank a class, so that a pass over the
 * objects reads one array. */
static int indexed_class_ranks(const struct indexed *ix, struct vec *ret)
{
	const struct heap_class *class = VEC(ix->heap->classes, struct heap_class);
	size_t count = VEC_COUNT(ix->heap->classes, struct heap_class);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = vec_push_u32(ret, VEC(ix->rank, uint32_t)[class[i].type]);
	return err;
}

static int indexed_build_order(struct indexed *ix)
{
	const uint32_t *klass = VEC(ix->heap->klass, uint32_t);
	size_t ranks = VEC_COUNT(ix->ranked, uint32_t);
	struct vec of = { 0 };
	uint32_t objects = ix->heap->objects;
	int err = indexed_class_ranks(ix, &of);

	if (!err)
		err = progress_step(ix->progress, "objects by type", 0, 0);
	if (!err)
		err = vec_alloc(&ix->order_row, (ranks + 2) * 4);
	if (!err)
		err = vec_alloc(&ix->order, (size_t)objects * 4);
	if (err) {
		vec_free(&ix->order_row);
		vec_free(&of);
		return err;
	}
	uint32_t *row = VEC(ix->order_row, uint32_t) + 1, *order = ix->order.data;
	for (uint32_t o = 0; o < objects; o++)
		row[VEC(of, uint32_t)[klass[o]] + 1]++;
	/* row[rank] becomes where a rank's objects begin, and then end */
	for (size_t r = 0, sum = 0; r < ranks; r++) {
		uint32_t count = row[r + 1];

		row[r] = (uint32_t)sum;
		sum += count;
	}
	for (uint32_t o = 0; o < objects; o++)
		order[row[VEC(of, uint32_t)[klass[o]]]++] = o;
	vec_free(&of);
	return 0;
}

int indexed_by_type(struct indexed *ix, const uint32_t **ret)
{
	int err = ix->order_row.size ? 0 : indexed_build_order(ix);

	*ret = VEC(ix->order, uint32_t);
	return err;
}

/* By a pass over the classes of all objects. */
static int indexed_scan_rank(struct indexed *ix, uint32_t rank, struct vec *ret)
{
	const uint32_t *klass = VEC(ix->heap->klass, uint32_t);
	struct vec of = { 0 };
	int err = indexed_class_ranks(ix, &of);

	for (uint32_t o = 0; o < ix->heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(ix->progress, "objects of a type", o,
					    ix->heap->objects);
		if (!err && VEC(of, uint32_t)[klass[o]] == rank)
			err = vec_push_u32(ret, o);
	}
	vec_free(&of);
	return err;
}

int indexed_of_rank(struct indexed *ix, uint32_t rank, struct vec *ret)
{
	int err = 0;

	assert(rank < VEC_COUNT(ix->ranked, uint32_t));
	if (!ix->order_row.size && ix->asked_type++ < SCANS)
		return indexed_scan_rank(ix, rank, ret);
	if (!ix->order_row.size)
		err = indexed_build_order(ix);
	if (err)
		return err;
	const uint32_t *row = VEC(ix->order_row, uint32_t);
	return vec_append(ret, VEC(ix->order, uint32_t) + row[rank],
			  (size_t)(row[rank + 1] - row[rank]) * 4);
}

/* ---- by target ---- */

/* The node that entry `slot` of n's references leads to, HEAP_NONE: none. */
static inline uint32_t indexed_referent(const struct heap *heap, uint32_t n, uint32_t to,
					uint32_t slot)
{
	if (to < heap->nodes)
		return to;
	return to == HEAP_WEAK ? heap_target(heap, n, slot, NULL) : HEAP_NONE;
}

static int indexed_count_sources(struct indexed *ix, uint64_t *row)
{
	const struct heap *heap = ix->heap;

	for (uint32_t n = 0; n < heap->nodes; n++) {
		struct heap_span refs = heap_refs(heap, n);

		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(ix->progress, "referrers", n / 2, heap->nodes))
			return -ECANCELED;
		for (uint32_t i = 0; i < refs.count; i++) {
			uint32_t to = indexed_referent(heap, n, refs.target[i], i);

			if (to != HEAP_NONE)
				row[to / BLOCK + 1]++;
		}
	}
	return 0;
}

static int indexed_put_sources(struct indexed *ix, uint64_t *row)
{
	const struct heap *heap = ix->heap;
	uint32_t *source = ix->source.data;
	uint8_t *low = ix->low.data;

	for (uint32_t n = 0; n < heap->nodes; n++) {
		struct heap_span refs = heap_refs(heap, n);

		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(ix->progress, "referrers",
				  (heap->nodes + (uint64_t)n) / 2, heap->nodes))
			return -ECANCELED;
		for (uint32_t i = 0; i < refs.count; i++) {
			uint32_t to = indexed_referent(heap, n, refs.target[i], i);

			if (to == HEAP_NONE)
				continue;
			low[row[to / BLOCK]] = (uint8_t)to;
			source[row[to / BLOCK]++] = n;
		}
	}
	return 0;
}

static void indexed_forget_sources(struct indexed *ix)
{
	vec_free(&ix->source_row);
	vec_free(&ix->source);
	vec_free(&ix->low);
}

static int indexed_build_sources(struct indexed *ix)
{
	size_t blocks = ix->heap->nodes / BLOCK + 1;
	int err = vec_alloc(&ix->source_row, (blocks + 1) * 8);
	uint64_t *row = VEC(ix->source_row, uint64_t);

	if (!err)
		err = indexed_count_sources(ix, row);
	for (size_t b = 0; b < blocks && !err; b++)
		row[b + 1] += row[b];
	if (!err && row[blocks])
		err = vec_alloc(&ix->source, row[blocks] * 4);
	if (!err && row[blocks])
		err = vec_alloc(&ix->low, row[blocks]);
	if (!err)
		err = indexed_put_sources(ix, row);
	if (err) {
		indexed_forget_sources(ix);
		return err;
	}
	for (size_t b = blocks; b > 0; b--) /* each is its end now */
		row[b] = row[b - 1];
	row[0] = 0;
	return 0;
}

static int indexed_find_sources(const struct indexed *ix, uint32_t node, struct vec *ret)
{
	const uint64_t *row = VEC(ix->source_row, uint64_t) + node / BLOCK;
	const uint8_t *low = VEC(ix->low, uint8_t);
	uint32_t last = HEAP_NONE;
	int err = 0;

	for (uint64_t i = row[0]; i < row[1] && !err; i++) {
		const uint8_t *at = memchr(low + i, (uint8_t)node, row[1] - i);

		if (!at)
			break;
		i = (uint64_t)(at - low);
		if (VEC(ix->source, uint32_t)[i] == last)
			continue;
		last = VEC(ix->source, uint32_t)[i];
		err = vec_push_u32(ret, last);
	}
	return err;
}

/* Types made at run time are held by each of their instances. */
static int indexed_add_instances(struct indexed *ix, uint32_t node, struct vec *ret)
{
	const struct heap *heap = ix->heap;
	int err = 0;

	if (heap_kind(heap, node) != SNAP_KIND_TYPE)
		return 0;
	for (uint32_t t = 1; t <= heap->types && !err; t++) {
		const struct heap_type *type = heap_type(heap, t);
		const uint32_t *order;

		if (type->node != node || !(type->flags & SNAP_TYPE_OWNED))
			continue;
		err = indexed_by_type(ix, &order);
		if (err)
			break;
		uint32_t rank = VEC(ix->rank, uint32_t)[t];
		const uint32_t *row = VEC(ix->order_row, uint32_t) + rank;
		for (uint32_t i = row[0]; i < row[1] && !err; i++)
			if (heap_type_of(heap, order[i]) == t)
				err = vec_push_u32(ret, order[i]);
	}
	return err;
}

int indexed_referrers(struct indexed *ix, uint32_t node, struct vec *ret)
{
	struct heap_span span;
	int err = 0;

	assert(node < ix->heap->nodes);
	if (!ix->source_row.size && ix->asked_target++ < SCANS) {
		err = analysis_referrers(ix->analysis, node, ix->progress, &span);
		return err ? err : vec_append(ret, span.target, (size_t)span.count * 4);
	}
	if (!ix->source_row.size)
		err = indexed_build_sources(ix);
	if (!err)
		err = indexed_find_sources(ix, node, ret);
	return err || node >= ix->heap->objects ? err :
						  indexed_add_instances(ix, node, ret);
}

/* ---- along shortest paths, and along dominators ---- */

enum rule { RULE_DEPTH, RULE_TOP, RULE_HELD };

/* Whether the value of `at` doesn't follow from its parent's. */
static bool indexed_begins(const struct indexed *ix, enum rule rule, uint32_t at,
			   uint32_t parent)
{
	if (parent == HEAP_NONE)
		return true;
	if (rule == RULE_TOP)
		return at >= ix->heap->objects || parent >= ix->heap->objects;
	return rule == RULE_HELD && at >= ix->heap->objects &&
		!heap_is_native(ix->heap, at);
}

/*
 * A node's value follows from its parent's (0: not yet known).  A chain is walked up to
 * a known node, and once more to write.
 */
static int indexed_climb(const struct indexed *ix, const uint32_t *parent, enum rule rule,
			 uint32_t *value)
{
	for (uint32_t n = 0; n < ix->heap->nodes; n++) {
		uint32_t steps = 0, at = n;

		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(ix->progress, "paths", n, ix->heap->nodes))
			return -ECANCELED;
		for (; !value[at] && !indexed_begins(ix, rule, at, parent[at]); steps++)
			at = parent[at];
		if (!value[at])
			value[at] = rule == RULE_DEPTH ? 1 : at + 1;
		const uint32_t base = value[at];
		for (uint32_t up = n; up != at; up = parent[up], steps--)
			value[up] = rule == RULE_DEPTH ? base + steps : base;
	}
	return 0;
}

static int indexed_along(struct indexed *ix, struct vec *vec, enum rule rule,
			 const uint32_t **ret)
{
	const struct vec *parent =
		rule == RULE_HELD ? &ix->analysis->idom : &ix->analysis->bfs_parent;
	int err = 0;

	if (!vec->size) {
		err = vec_alloc(vec, (size_t)ix->heap->nodes * 4);
		if (!err)
			err = indexed_climb(ix, VEC(*parent, uint32_t), rule, vec->data);
		if (err)
			vec_free(vec);
	}
	*ret = VEC(*vec, uint32_t);
	return err;
}

int indexed_depth(struct indexed *ix, const uint32_t **ret)
{
	return indexed_along(ix, &ix->depth, RULE_DEPTH, ret);
}

int indexed_top(struct indexed *ix, const uint32_t **ret)
{
	return indexed_along(ix, &ix->top, RULE_TOP, ret);
}

int indexed_held(struct indexed *ix, const uint32_t **ret)
{
	return indexed_along(ix, &ix->held, RULE_HELD, ret);
}
