/* SPDX-License-Identifier: MIT */
/*
 * analysis - who keeps what alive (analysis.h).
 *
 * Retained sizes add up along preorder numbers backwards: an immediate dominator
 * always has a lower number.  A type's retained size is the sum over its instances that
 * have no dominating instance of the same type; a walk over the dominator tree
 * with a counter of open instances per type finds those.
 */
#include "viewer/analysis/analysis.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "viewer/analysis/dominators.h"
#include "viewer/analysis/reach.h"
#include "viewer/model/native_node.h"

/* ---- retained ---- */

/* Steps up the dominator tree that shared native memory may take in all: beyond that
 * the root dominates it. */
#define SHARED_STEPS (1ull << 27)

/* The deepest node that dominates both; number: their preorder numbers. */
static uint32_t analysis_common_dominator(const uint32_t *idom, const uint32_t *number,
					  uint32_t a, uint32_t b, uint64_t *steps)
{
	while (a != b) {
		if (++*steps > SHARED_STEPS)
			return HEAP_NONE;
		if (number[a] < number[b])
			b = idom[b];
		else
			a = idom[a];
	}
	return a;
}

/* Native memory leads nowhere, so its dominator is the nearest that its owners have in
 * common. */
static int analysis_place_native(struct analysis *a, const struct dominators *d)
{
	const struct heap *heap = a->heap;
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	uint32_t *idom = a->idom.data, base = heap_native_base(heap);
	struct vec number = { 0 };
	uint64_t steps = 0;

	if (base == heap->nodes)
		return 0;
	if (vec_alloc(&number, heap->nodes * sizeof(uint32_t)))
		return -ENOMEM;
	for (uint32_t v = 0; v < d->count; v++)
		VEC(number, uint32_t)[VEC(d->vertex, uint32_t)[v]] = v;
	for (size_t i = 0; i < VEC_COUNT(heap->native_edge, uint64_t); i++) {
		uint32_t owner = (uint32_t)(edge[i] >> 32), n = base + (uint32_t)edge[i];
		uint32_t common = idom[n] == HEAP_NONE ?
			owner :
			analysis_common_dominator(idom, VEC(number, uint32_t), idom[n],
						  owner, &steps);

		idom[n] = common != HEAP_NONE ? common : heap_root(heap);
	}
	for (uint32_t n = base; n < heap->nodes; n++)
		if (idom[n] == HEAP_NONE)
			idom[n] = heap_native_at(heap, n)->owner != HEAP_NONE ?
				heap_root(heap) :
				heap_group(heap, HEAP_SYNTH_UNKNOWN);
	vec_free(&number);
	return 0;
}

static int analysis_take_idoms(struct analysis *a, struct dominators *d)
{
	const uint32_t *vertex = VEC(d->vertex, uint32_t),
		       *number = VEC(d->idom, uint32_t);
	uint32_t nodes = a->heap->nodes;
	int err;

	if (vec_alloc(&a->idom, nodes * sizeof(uint32_t)))
		return -ENOMEM;
	uint32_t *idom = a->idom.data;
	for (uint32_t n = 0; n < nodes; n++)
		idom[n] = HEAP_NONE;
	for (uint32_t v = 1; v < d->count; v++)
		idom[vertex[v]] = vertex[number[v]];
	err = analysis_place_native(a, d);
	vec_free(&d->idom);
	return err;
}

static int analysis_add_retained(struct analysis *a, const struct dominators *d)
{
	const uint32_t *vertex = VEC(d->vertex, uint32_t), *idom = VEC(a->idom, uint32_t);
	uint32_t nodes = a->heap->nodes;

	if (vec_alloc(&a->retained, nodes * sizeof(uint64_t)))
		return -ENOMEM;
	uint64_t *retained = a->retained.data;
	for (uint32_t n = 0; n < nodes; n++)
		retained[n] = heap_size(a->heap, n);
	for (uint32_t n = heap_native_base(a->heap); n < nodes; n++) {
		retained[n] = heap_native(a->heap, n);
		/* its owner's size has it, or it comes to that */
		if (!(heap_native_at(a->heap, n)->flags & HEAP_NATIVE_COUNTED))
			retained[VEC(a->idom, uint32_t)[n]] += retained[n];
	}
	for (uint32_t v = d->count; v-- > 1;)
		retained[idom[vertex[v]]] += retained[vertex[v]];
	return 0;
}

/* ---- counts, and both by type: one walk over the dominator tree ---- */

/*
 * first is needed until a node is entered, its count only from then on: one array
 * (retained_count) serves both.
 */
struct tree {
	uint32_t *first, *next, *count, *open;
};

static void analysis_link_tree(const struct analysis *a, struct tree tree)
{
	const uint32_t *idom = VEC(a->idom, uint32_t);

	for (uint32_t n = 0; n < a->heap->nodes; n++)
		tree.first[n] = tree.next[n] = HEAP_NONE;
	for (uint32_t n = a->heap->nodes; n-- > 0;) {
		if (idom[n] == HEAP_NONE)
			continue;
		tree.next[n] = tree.first[idom[n]];
		tree.first[idom[n]] = n;
	}
}

/* Its first child, or HEAP_NONE. */
static uint32_t analysis_enter(const struct analysis *a, struct tree tree, uint32_t node)
{
	uint32_t child = tree.first[node];

	tree.open[heap_type_of(a->heap, node)]++;
	tree.count[node] = node < a->heap->objects;
	return child;
}

static void analysis_leave(struct analysis *a, struct tree tree, uint32_t node)
{
	uint32_t type = heap_type_of(a->heap, node), idom = analysis_idom(a, node);
	struct analysis_type *sum = VEC(a->type, struct analysis_type) + type;

	if (idom != HEAP_NONE)
		tree.count[idom] += tree.count[node];
	if (--tree.open[type] || !type)
		return; /* inside another instance of its type */
	sum->retained += analysis_retained(a, node);
	sum->retained_count += tree.count[node];
}

static void analysis_walk_tree(struct analysis *a, struct tree tree)
{
	uint32_t root = heap_root(a->heap), node = root, child;

	for (;;) {
		while ((child = analysis_enter(a, tree, node)) != HEAP_NONE)
			node = child;
		for (;;) {
			analysis_leave(a, tree, node);
			if (node == root)
				return;
			if (tree.next[node] != HEAP_NONE)
				break;
			node = analysis_idom(a, node);
		}
		node = tree.next[node];
	}
}

static int analysis_add_types(struct analysis *a)
{
	size_t types = (size_t)a->heap->types + 1, nodes = a->heap->nodes;
	struct vec next = { 0 }, open = { 0 };
	int err = -ENOMEM;

	if (!vec_alloc(&a->retained_count, nodes * 4) && !vec_alloc(&next, nodes * 4) &&
	    !vec_alloc(&open, types * 4) &&
	    !vec_alloc(&a->type, types * sizeof(struct analysis_type))) {
		struct tree tree = { a->retained_count.data, next.data,
				     a->retained_count.data, open.data };

		analysis_link_tree(a, tree);
		analysis_walk_tree(a, tree);
		err = 0;
	}
	vec_free(&next);
	vec_free(&open);
	return err;
}

/* ---- run ---- */

static int analysis_compute(struct analysis *a, struct heap *heap,
			    const struct progress *progress)
{
	struct dominators d = { 0 };
	int err = reach_run(heap, progress, &a->bfs_parent);

	if (!err)
		err = dominators_run(heap, progress, &d);
	if (!err)
		err = progress_step(progress, "retained sizes", 0, 0);
	if (!err)
		err = analysis_take_idoms(a, &d);
	if (!err)
		err = analysis_add_retained(a, &d);
	dominators_free(&d);
	if (!err)
		err = progress_step(progress, "retained by type", 0, 0);
	return err ? err : analysis_add_types(a);
}

int analysis_run(struct heap *heap, const struct progress *progress,
		 struct analysis **ret)
{
	struct analysis *a = calloc(1, sizeof(*a));
	int err;

	assert(heap && ret);
	if (!a)
		return -ENOMEM;
	a->heap = heap;
	err = analysis_compute(a, heap, progress);
	if (err)
		analysis_destroy(a);
	else
		*ret = a;
	return err;
}

void analysis_destroy(struct analysis *a)
{
	if (!a)
		return;
	if (a->kept)
		a->forget(a->kept);
	struct vec *vecs[] = { &a->bfs_parent,	   &a->idom,   &a->retained,
			       &a->retained_count, &a->type,   &a->child_row,
			       &a->child,	   &a->sorted, &a->referrer };
	for (size_t i = 0; i < sizeof(vecs) / sizeof(vecs[0]); i++)
		vec_free(vecs[i]);
	free(a);
}

/* ---- on demand ---- */

static int analysis_build_children(struct analysis *a)
{
	const uint32_t *idom = VEC(a->idom, uint32_t);
	uint32_t nodes = a->heap->nodes, sum = 0;

	assert(a->child_row.size == 0);
	if (vec_alloc(&a->child_row, ((size_t)nodes + 1) * 4) ||
	    vec_alloc(&a->child, (size_t)nodes * 4) ||
	    vec_alloc(&a->sorted, ((size_t)nodes / 64 + 1) * 8)) {
		vec_free(&a->child_row);
		vec_free(&a->child);
		return -ENOMEM;
	}
	uint32_t *row = a->child_row.data, *child = a->child.data;
	for (uint32_t n = 0; n < nodes; n++)
		if (idom[n] != HEAP_NONE)
			row[idom[n]]++;
	for (uint32_t n = 0; n <= nodes; n++) {
		uint32_t count = row[n];

		row[n] = sum;
		sum += count;
	}
	for (uint32_t n = 0; n < nodes; n++)
		if (idom[n] != HEAP_NONE)
			child[row[idom[n]]++] = n;
	/* each row[n] is the end of n's now: shift */
	for (uint32_t n = nodes; n > 0; n--)
		row[n] = row[n - 1];
	row[0] = 0;
	return 0;
}

static int analysis_by_retained(const void *x, const void *y, void *arg)
{
	const uint64_t *retained = arg;
	uint32_t m = *(const uint32_t *)x, n = *(const uint32_t *)y;

	if (retained[m] != retained[n])
		return retained[m] > retained[n] ? -1 : 1;
	return m < n ? -1 : m > n;
}

int analysis_children(struct analysis *a, uint32_t node, const struct progress *progress,
		      struct heap_span *ret)
{
	int err = progress_step(progress, "dominator tree", 0, 0);

	assert(node < a->heap->nodes);
	if (!err && !a->child_row.size)
		err = analysis_build_children(a);
	if (err)
		return err;
	const uint32_t *row = VEC(a->child_row, uint32_t);
	uint32_t *child = VEC(a->child, uint32_t) + row[node],
		 count = row[node + 1] - row[node];
	uint64_t *sorted = VEC(a->sorted, uint64_t) + node / 64,
		 bit = 1ull << (node & 63);
	if (!(*sorted & bit)) {
		qsort_r(child, count, sizeof(*child), analysis_by_retained,
			a->retained.data);
		*sorted |= bit;
	}
	*ret = (struct heap_span){ child, count };
	return 0;
}

static bool analysis_refers(const struct heap *heap, uint32_t from, uint32_t to)
{
	struct heap_span refs = heap_refs(heap, from);

	for (uint32_t i = 0; i < refs.count; i++) {
		if (refs.target[i] == to)
			return true;
		if (refs.target[i] == HEAP_WEAK && heap_target(heap, from, i, NULL) == to)
			return true;
	}
	return heap_type_edge(heap, from) == to;
}

int analysis_referrers(struct analysis *a, uint32_t node, const struct progress *progress,
		       struct heap_span *ret)
{
	const struct heap *heap = a->heap;
	int err = 0;

	assert(node < a->heap->nodes);
	a->referrer.size = 0;
	if (heap_is_native(heap, node)) {
		err = native_node_owners(heap, node, &a->referrer);
		*ret = (struct heap_span){ a->referrer.data,
					   (uint32_t)VEC_COUNT(a->referrer, uint32_t) };
		return err;
	}
	for (uint32_t n = 0; n < heap->nodes; n++) {
		if (n % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(progress, "referrers", n, heap->nodes))
			return -ECANCELED;
		if (analysis_refers(heap, n, node) && vec_push_u32(&a->referrer, n))
			return -ENOMEM;
	}
	ret->target = a->referrer.data;
	ret->count = (uint32_t)VEC_COUNT(a->referrer, uint32_t);
	return 0;
}

uint32_t analysis_depth(const struct analysis *a, uint32_t node)
{
	uint32_t depth = 0;

	assert(node < a->heap->nodes);
	for (; analysis_idom(a, node) != HEAP_NONE && depth < a->heap->nodes; depth++)
		node = analysis_idom(a, node);
	return depth;
}

uint32_t analysis_path(const struct analysis *a, uint32_t node, uint32_t *nodes_ret,
		       uint32_t capacity)
{
	uint32_t length = 0, root = heap_root(a->heap);

	assert(node < a->heap->nodes);
	for (uint32_t n = node; n != HEAP_NONE && n != root && length < a->heap->nodes;
	     n = analysis_parent(a, n))
		length++;
	uint32_t at = length < capacity ? length : capacity;
	for (uint32_t n = node; at > 0; n = analysis_parent(a, n))
		nodes_ret[--at] = n;
	return length;
}

bool analysis_is_below(const struct analysis *a, uint32_t node, uint32_t above)
{
	enum { STEPS_UP = 64 };

	for (int i = 0; i < STEPS_UP && node < a->heap->objects; i++) {
		node = analysis_idom(a, node);
		if (node == above)
			return true;
	}
	return false;
}
