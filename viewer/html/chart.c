/* SPDX-License-Identifier: MIT */
/* chart - dividing the largest until there are enough (chart.h). */
#include "viewer/html/chart.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/holders.h"
#include "viewer/name/alike.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"
#include "viewer/text/human.h"

enum { NAME_WIDTH = 120, STEP_WIDTH = 40, KIND_WIDTH = 40, DEEPEST = 48 };

static int chart_start(struct chart *chart, uint32_t most)
{
	*chart = (struct chart){ .capacity = most };
	chart->block = calloc(most, sizeof(*chart->block));
	return chart->block ? 0 : -ENOMEM;
}

void chart_free(struct chart *chart)
{
	for (uint32_t i = 0; i < chart->count; i++) {
		text_free(&chart->block[i].name);
		text_free(&chart->block[i].step);
		text_free(&chart->block[i].kind);
	}
	free(chart->block);
	*chart = (struct chart){ 0 };
}

/* Adds a block as the last child of parent (-1: the root); NULL: there is no room. */
static struct chart_block *chart_add(struct chart *chart, int32_t parent, int32_t *last)
{
	if (chart->count == chart->capacity)
		return NULL;
	const int32_t at = (int32_t)chart->count++;
	struct chart_block *b = &chart->block[at];

	*b = (struct chart_block){
		.node = HEAP_NONE, .parent = parent, .first_child = -1, .next = -1
	};
	if (parent >= 0) {
		b->depth = chart->block[parent].depth + 1;
		if (*last < 0)
			chart->block[parent].first_child = at;
		else
			chart->block[*last].next = at;
	}
	*last = at;
	return b;
}

/* The largest that may be divided; -1 = none. */
static int32_t chart_largest(const struct chart *chart)
{
	int32_t best = -1;

	for (uint32_t i = 0; i < chart->count; i++) {
		const struct chart_block *b = &chart->block[i];

		if (!b->divided && b->depth < DEEPEST &&
		    (best < 0 || b->retained > chart->block[best].retained))
			best = (int32_t)i;
	}
	return best;
}

/* ---- by holder ---- */

/* Names a block of the dominator tree. */
static void chart_name(struct chart_block *b, const struct analysis *a,
		       const struct alike *line)
{
	struct text step = { 0 };

	if (line->count > 1) {
		alike_text(&b->name, a->heap, line);
		alike_brief(&b->step, a->heap, line, 0);
		name_type(&b->kind, a->heap, line->type);
		text_add(&b->kind, ", alike");
		return;
	}
	name_short(&b->name, a, line->node, NAME_WIDTH);
	name_brief(&step, a, line->node, 0);
	name_cut(&b->step, text_get(&step), STEP_WIDTH);
	text_free(&step);
	alike_kind(&b->kind, a->heap, line, KIND_WIDTH);
}

static void chart_fill(struct chart_block *b, const struct analysis *a,
		       const struct alike *line, uint32_t holder)
{
	b->retained = line->retained;
	b->objects = line->objects;
	b->count = line->count;
	b->type = line->type;
	b->below = line->below;
	b->node = line->node;
	b->holder = holder;
	chart_name(b, a, line);
}

static int chart_divide(struct chart *chart, struct analysis *a, int32_t at,
			const struct progress *progress)
{
	const struct chart_block b = chart->block[at];
	const struct alike line = { .node = b.node,
				    .type = b.type,
				    .count = b.count,
				    .retained = b.retained,
				    .objects = b.objects,
				    .below = b.below };
	const uint64_t least = chart->block[0].retained / CHART_LEAST;
	struct vec lines = { 0 };
	int32_t last = -1;
	int err = alike_open(a, b.holder, &line, progress, &lines);

	chart->block[at].divided = true;
	for (size_t i = 0; i < VEC_COUNT(lines, struct alike) && !err; i++) {
		const struct alike *child = VEC(lines, struct alike) + i;

		if (child->retained <= least)
			break;
		struct chart_block *fresh = chart_add(chart, at, &last);
		if (!fresh)
			break;
		chart_fill(fresh, a, child, b.count > 1 ? b.holder : line.node);
		err = fresh->name.err;
	}
	vec_free(&lines);
	return err;
}

int chart_by_holder(struct chart *chart, struct analysis *a, uint32_t start,
		    uint32_t most, const struct progress *progress)
{
	struct alike root = alike_single(a, start);
	int32_t last = -1, at;
	int err = chart_start(chart, most);

	assert(most > 0);
	if (!err)
		err = alike_find_chain(a, &root, progress);
	if (err)
		return err;
	chart_fill(chart_add(chart, -1, &last), a, &root, HEAP_NONE);
	while (!err && chart->count < most && (at = chart_largest(chart)) >= 0)
		err = chart_divide(chart, a, at, progress);
	return err;
}

/* ---- by type ---- */

static int chart_compare(const void *x, const void *y, void *arg)
{
	const struct holders *h = arg;
	const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	if (h[a].parent != h[b].parent)
		return h[a].parent < h[b].parent ? -1 : 1;
	if (h[a].size != h[b].size)
		return h[a].size > h[b].size ? -1 : 1;
	return a < b ? -1 : a > b;
}

static void chart_type_block(struct chart_block *b, const struct heap *heap,
			     const struct holders *h, uint32_t index)
{
	b->retained = h->size;
	b->objects = h->count;
	b->type = index;
	if (h->type) {
		describe_type(&b->name, heap, h->type);
		name_type(&b->step, heap, h->type);
	} else if (h->kind == HEAP_SYNTH_THREAD || h->kind == HEAP_SYNTH_FRAME) {
		text_add(&b->name, h->kind == HEAP_SYNTH_THREAD ? "a thread" : "a frame");
	} else {
		text_add(&b->name, heap_group_name((enum heap_synth_kind)h->kind));
	}
	if (!b->depth)
		return;
	text_add(&b->kind, b->depth == 1 ? "type" : "that holds them");
}

/* order: indices sorted by parent, then size; first[i]: where those of parent i begin. */
static int chart_divide_type(struct chart *chart, const struct heap *heap,
			     const struct vec *all, const uint32_t *order, int32_t at)
{
	const struct holders *h = all->data;
	const size_t count = VEC_COUNT(*all, struct holders);
	const uint64_t least = h[0].size / CHART_LEAST;
	const uint32_t parent = chart->block[at].type;
	size_t lo = 1, hi = count;
	int32_t last = -1;

	chart->block[at].divided = true;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (h[order[mid]].parent < parent)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < count && h[order[lo]].parent == parent; lo++) {
		if (h[order[lo]].size <= least)
			break;
		struct chart_block *fresh = chart_add(chart, at, &last);
		if (!fresh)
			break;
		chart_type_block(fresh, heap, &h[order[lo]], order[lo]);
		if (fresh->name.err)
			return -ENOMEM;
	}
	return 0;
}

int chart_by_type(struct chart *chart, const struct analysis *a, uint32_t most,
		  const struct progress *progress)
{
	struct vec all = { 0 };
	uint32_t *order = NULL;
	int32_t last = -1, at;
	int err = chart_start(chart, most);

	if (!err)
		err = holders_build(a, progress, &all);
	size_t count = VEC_COUNT(all, struct holders);
	if (!err && !(order = calloc(count, sizeof(*order))))
		err = -ENOMEM;
	for (uint32_t i = 0; i < count && !err; i++)
		order[i] = i;
	if (!err && count > 1)
		qsort_r(order + 1, count - 1, sizeof(*order), chart_compare, all.data);
	if (!err)
		chart_type_block(chart_add(chart, -1, &last), a->heap, all.data, 0);
	while (!err && chart->count < most && (at = chart_largest(chart)) >= 0)
		err = chart_divide_type(chart, a->heap, &all, order, at);
	free(order);
	vec_free(&all);
	return err;
}
