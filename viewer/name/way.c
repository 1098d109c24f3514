/* SPDX-License-Identifier: MIT */
/*
 * way - see way.h.
 *
 * Steps are equal that have the same label and lead to objects of one type; whether the
 * same ones come again is looked for in groups of one step, of two (a __dict__ between
 * objects), up to WAY_PERIOD.
 */
#include "viewer/name/way.h"

#include <assert.h>
#include <errno.h>

#include "viewer/name/describe.h"
#include "viewer/text/human.h"

static void way_label(const struct heap *heap, const struct way *way, uint32_t at,
		      struct heap_label *ret)
{
	const uint32_t *node = VEC(way->node, uint32_t);

	heap_label(heap, node[at - 1], heap_slot(heap, node[at - 1], node[at]), ret);
}

/* Whether the step to one node of the path is as that to another. */
static bool way_is_alike(const struct heap *heap, const struct way *way, uint32_t one,
			 uint32_t other)
{
	const uint32_t *node = VEC(way->node, uint32_t);
	struct heap_label a, b;

	for (uint32_t i = 0; i < 2; i++)
		if (!heap_is_object(heap, node[one - i]) ||
		    !heap_is_object(heap, node[other - i]))
			return false;
	if (heap_type_of(heap, node[one]) != heap_type_of(heap, node[other]) ||
	    heap_type_of(heap, node[one - 1]) != heap_type_of(heap, node[other - 1]))
		return false;
	way_label(heap, way, one, &a);
	way_label(heap, way, other, &b);
	return a.kind == b.kind && a.name == b.name && a.key == b.key &&
		a.index == b.index && a.inferred == b.inferred;
}

/* How often the `period` steps that lead to the nodes from `at` on follow each other. */
static uint32_t way_times(const struct heap *heap, const struct way *way, uint32_t at,
			  uint32_t period)
{
	const uint32_t length = way_length(way);
	uint32_t alike = 0;

	while (at + period + alike < length &&
	       way_is_alike(heap, way, at + period + alike, at + alike))
		alike++;
	return alike / period + 1;
}

/* Those in the middle go. */
static void way_cut(struct way *way, size_t most)
{
	const size_t count = way_rows(way), more = count - most;
	struct way_row *row = VEC(way->row, struct way_row);

	way->gap = most / 2;
	for (size_t i = way->gap; i < count; i++) {
		if (i < way->gap + more)
			way->left_out += row[i].period * row[i].times;
		else
			row[i - more] = row[i];
	}
	way->row.size = most * sizeof(*row);
}

static int way_fold(struct way *way, const struct heap *heap)
{
	int err = 0;

	for (uint32_t at = 0; at < way_length(way) && !err;) {
		struct way_row row = { at, 1, 1 };
		uint32_t times = 0, period = 0;

		while (at && times < WAY_FOLD && ++period <= WAY_PERIOD)
			times = way_times(heap, way, at, period);
		if (times >= WAY_FOLD)
			row = (struct way_row){ at + period * times - 1, period, times };
		err = vec_append(&way->row, &row, sizeof(row));
		at = row.at + 1;
	}
	return err;
}

int way_make(struct way *way, const struct analysis *analysis, uint32_t node, size_t most)
{
	const uint32_t length = analysis_path(analysis, node, NULL, 0);
	int err;

	assert(most > 1);
	*way = (struct way){ 0 };
	if (!length)
		return 0;
	err = vec_alloc(&way->node, length * sizeof(uint32_t));
	if (!err) {
		analysis_path(analysis, node, way->node.data, length);
		err = way_fold(way, analysis->heap);
	}
	if (err)
		way_free(way);
	else if (way_rows(way) > most)
		way_cut(way, most);
	return err;
}

void way_free(struct way *way)
{
	vec_free(&way->node);
	vec_free(&way->row);
	*way = (struct way){ 0 };
}

size_t way_rows(const struct way *way)
{
	return VEC_COUNT(way->row, struct way_row);
}

uint32_t way_length(const struct way *way)
{
	return (uint32_t)VEC_COUNT(way->node, uint32_t);
}

uint32_t way_node(const struct way *way, size_t row)
{
	assert(row < way_rows(way));
	return VEC(way->node, uint32_t)[VEC(way->row, struct way_row)[row].at];
}

void way_text(struct text *out, const struct heap *heap, const struct way *way,
	      size_t row)
{
	const struct way_row *r = VEC(way->row, struct way_row) + row;
	const uint32_t *node = VEC(way->node, uint32_t);
	char buf[HUMAN_SIZE];

	assert(row < way_rows(way));
	text_add(out, r->times > 1 ? "(" : "");
	for (uint32_t i = r->at - r->period + 1; i && i <= r->at; i++)
		describe_step(out, heap, node[i - 1], node[i]);
	if (r->times > 1)
		text_printf(out, " x %s)", human_count(buf, r->times));
}
