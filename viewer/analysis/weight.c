/* SPDX-License-Identifier: MIT */
/* weight - what of a node's retained bytes is in memory (weight.h). */
#include "viewer/analysis/weight.h"

#include <errno.h>
#include <stdlib.h>

#define IDLE_PART 200u /* of all: less that is not in memory makes no difference */
#define MAX_STEPS 1000u

struct idle {
	uint32_t node, pad;
	uint64_t bytes;
};

static int weight_by_node(const void *a, const void *b)
{
	const struct idle *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

/* Adds up those of one node. */
static void weight_merge(struct vec *list)
{
	struct idle *idle = list->data;
	const size_t count = VEC_COUNT(*list, struct idle);
	size_t kept = 0;

	if (count)
		qsort(idle, count, sizeof(*idle), weight_by_node);
	for (size_t i = 0; i < count; i++)
		if (kept && idle[kept - 1].node == idle[i].node)
			idle[kept - 1].bytes += idle[i].bytes;
		else
			idle[kept++] = idle[i];
	list->size = kept * sizeof(*idle);
}

/* A node lacks so much, and with it all that dominate it. */
static int weight_add(struct weights *w, uint32_t node, uint64_t bytes)
{
	struct idle idle = { .bytes = bytes };

	for (unsigned i = 0; i < MAX_STEPS && node != HEAP_NONE; i++) {
		idle.node = node;
		if (vec_append(&w->idle, &idle, sizeof(idle)))
			return -ENOMEM;
		node = analysis_idom(w->a, node);
	}
	return 0;
}

/* Objects: of what dominates many each is climbed once. */
static int weight_add_objects(struct weights *w)
{
	const struct vec *const list = &w->a->heap->untouched;
	const struct heap_untouched *const object = list->data;
	struct vec above = { 0 };
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(*list, struct heap_untouched) && !err; i++) {
		struct idle idle = { .node = object[i].object, .bytes = object[i].bytes };

		err = vec_append(&w->idle, &idle, sizeof(idle));
		idle.node = analysis_idom(w->a, idle.node);
		if (!err && idle.node != HEAP_NONE)
			err = vec_append(&above, &idle, sizeof(idle));
	}
	weight_merge(&above);
	for (size_t i = 0; i < VEC_COUNT(above, struct idle) && !err; i++)
		err = weight_add(w, VEC(above, struct idle)[i].node,
				 VEC(above, struct idle)[i].bytes);
	vec_free(&above);
	return err;
}

int weight_find(struct weights *w, struct analysis *a, const struct progress *progress)
{
	const struct heap *heap = a->heap;
	const uint64_t least = analysis_total(a) / IDLE_PART;

	*w = (struct weights){ .a = a, .progress = progress };
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);

		if (native->size > native->resident &&
		    native->size - native->resident >= least &&
		    weight_add(w, n, native->size - native->resident) != 0)
			return -ENOMEM;
	}
	if (weight_add_objects(w) != 0)
		return -ENOMEM;
	weight_merge(&w->idle);
	return 0;
}

static uint64_t weight_idle(const struct weights *w, uint32_t node)
{
	struct idle key = { .node = node };
	const struct idle *found = w->idle.size ?
		bsearch(&key, w->idle.data, VEC_COUNT(w->idle, struct idle), sizeof(key),
			weight_by_node) :
		NULL;

	return found ? found->bytes : 0;
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
	w->order.size = 0;
	if (vec_append(&w->order, ret->target, ret->count * sizeof(uint32_t)))
		return -ENOMEM;
	qsort_r(w->order.data, ret->count, sizeof(uint32_t), weight_compare, w);
	ret->target = w->order.data;
	return 0;
}

void weight_free(struct weights *w)
{
	vec_free(&w->idle);
	vec_free(&w->order);
}
