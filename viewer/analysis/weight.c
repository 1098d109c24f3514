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

int weight_find(struct weights *w, struct analysis *a, const struct progress *progress)
{
	const struct heap *heap = a->heap;
	uint64_t least = analysis_total(a) / IDLE_PART;
	size_t count, kept = 0;

	*w = (struct weights){ .a = a, .progress = progress };
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);
		struct idle idle = { .bytes = native->size - native->resident };
		uint32_t at = n;

		if (native->size <= native->resident || idle.bytes < least)
			continue;
		for (unsigned i = 0; i < MAX_STEPS && at != HEAP_NONE; i++) {
			idle.node = at;
			if (vec_append(&w->idle, &idle, sizeof(idle)))
				return -ENOMEM;
			at = analysis_idom(a, at);
		}
	}
	struct idle *table = w->idle.data;
	count = VEC_COUNT(w->idle, struct idle);
	if (count)
		qsort(table, count, sizeof(*table), weight_by_node);
	for (size_t i = 0; i < count; i++)
		if (kept && table[kept - 1].node == table[i].node)
			table[kept - 1].bytes += table[i].bytes;
		else
			table[kept++] = table[i];
	w->idle.size = kept * sizeof(*table);
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

	if (err || !weight_idle(w, node))
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
