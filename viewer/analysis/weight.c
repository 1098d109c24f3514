/* SPDX-License-Identifier: MIT */
/* weight - what of a node's retained bytes is in memory (weight.h). */
#include "viewer/analysis/weight.h"

#include <errno.h>
#include <stdlib.h>

/* A node lacks so much; it is marked, and what dominates it has one below it more that is
 * marked: in pending, u32 per node, 1 for the mark and 1 for each of those. */
static int weight_begin(struct weights *w, struct vec *pending, uint32_t node,
			uint64_t bytes)
{
	uint32_t *const waits = pending->data;

	if (!bytes)
		return 0;
	((uint64_t *)w->idle.data)[node] += bytes;
	if (vec_push_u32(&w->order, node))
		return -ENOMEM;
	if (waits[node])
		return 0;
	waits[node] = 1;
	for (uint32_t up; (up = analysis_idom(w->a, node)) != HEAP_NONE; node = up) {
		const bool marked = waits[up];

		waits[up] += 1 + !marked;
		if (marked)
			break;
	}
	return 0;
}

/* Adds what a node lacks to what dominates it, up to one that waits for more. */
static void weight_climb(struct weights *w, struct vec *pending, uint32_t node)
{
	uint32_t *const waits = pending->data;
	uint64_t *const idle = w->idle.data;

	while (waits[node] == 1) {
		const uint32_t up = analysis_idom(w->a, node);

		waits[node] = 0;
		if (up == HEAP_NONE)
			break;
		idle[up] += idle[node];
		waits[up]--;
		node = up;
	}
}

/* All that lack something of their own. */
static int weight_begin_all(struct weights *w, struct vec *pending)
{
	const struct heap *heap = w->a->heap;
	const struct heap_untouched *const object = heap->untouched.data;
	int err = 0;

	for (uint32_t n = heap_native_base(heap); n < heap->nodes && !err; n++) {
		const struct heap_native *native = heap_native_at(heap, n);

		if ((!heap->python_only || native->flags & HEAP_NATIVE_COUNTED) &&
		    native->size > native->resident)
			err = weight_begin(w, pending, n,
					   native->size - native->resident);
	}
	for (size_t i = 0; i < VEC_COUNT(heap->untouched, struct heap_untouched) && !err;
	     i++)
		err = weight_begin(w, pending, object[i].object, object[i].bytes);
	return err;
}

int weight_find(struct weights *w, struct analysis *a, const struct progress *progress)
{
	struct vec pending = { 0 };
	int err;

	*w = (struct weights){ .a = a, .progress = progress, .ordered = HEAP_NONE };
	err = vec_alloc(&w->idle, (size_t)a->heap->nodes * sizeof(uint64_t));
	if (!err)
		err = vec_alloc(&pending, (size_t)a->heap->nodes * sizeof(uint32_t));
	if (!err)
		err = weight_begin_all(w, &pending);
	for (size_t i = 0; i < VEC_COUNT(w->order, uint32_t) && !err; i++)
		weight_climb(w, &pending, VEC(w->order, uint32_t)[i]);
	w->order.size = 0;
	vec_free(&pending);
	return err;
}

static uint64_t weight_idle(const struct weights *w, uint32_t node)
{
	return w->idle.size ? VEC(w->idle, uint64_t)[node] : 0;
}

uint64_t weight_of(const struct weights *w, uint32_t node)
{
	uint64_t retained = analysis_retained(w->a, node), idle = weight_idle(w, node);

	return idle < retained ? retained - idle : 0;
}

static int weight_compare(const void *a, const void *b, void *arg)
{
	uint32_t m = *(const uint32_t *)a, n = *(const uint32_t *)b;
	uint64_t x = weight_of(arg, m), y = weight_of(arg, n);

	if (x != y)
		return x > y ? -1 : 1;
	return m < n ? -1 : m > n;
}

int weight_children(struct weights *w, uint32_t node, struct heap_span *ret)
{
	int err = analysis_children(w->a, node, w->progress, ret);

	if (err || !ret->count || !weight_idle(w, node))
		return err;
	if (w->ordered == node) {
		ret->target = w->order.data;
		return 0;
	}
	w->order.size = 0;
	w->ordered = HEAP_NONE;
	if (vec_append(&w->order, ret->target, ret->count * sizeof(uint32_t)))
		return -ENOMEM;
	qsort_r(w->order.data, ret->count, sizeof(uint32_t), weight_compare, w);
	w->ordered = node;
	ret->target = w->order.data;
	return 0;
}

void weight_free(struct weights *w)
{
	vec_free(&w->idle);
	vec_free(&w->order);
}
