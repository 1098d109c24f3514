/* SPDX-License-Identifier: MIT */
/* common - what several reports share (common.h). */
#include "viewer/report/common.h"
#include "viewer/name/candidates.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define VALUE_LIMIT 60
#define SCRATCH_MAX (1u << 20)

void row_node(struct row *row, struct text *scratch, const struct heap *heap,
	      uint32_t node)
{
	text_clear(scratch);
	describe_node(scratch, heap, node);
	row_text(row, text_get(scratch));
}

void row_type(struct row *row, struct text *scratch, const struct heap *heap,
	      uint32_t type)
{
	text_clear(scratch);
	describe_type(scratch, heap, type);
	row_text(row, text_get(scratch));
}

void row_value(struct row *row, struct text *scratch, const struct heap *heap,
	       uint32_t node)
{
	text_clear(scratch);
	describe_value(scratch, heap, node, VALUE_LIMIT);
	row_text(row, text_get(scratch));
}

void row_path(struct row *row, struct text *scratch, const struct analysis *a,
	      uint32_t node)
{
	text_clear(scratch);
	describe_path(scratch, a, node);
	row_text(row, text_get(scratch));
}

void row_raw(struct row *row, struct text *scratch, const char *bytes, size_t size)
{
	text_clear(scratch);
	text_escape(scratch, bytes, size, SCRATCH_MAX, 0);
	row_text(row, text_get(scratch));
}

void row_string(struct row *row, struct text *scratch, const struct heap *heap,
		uint32_t string)
{
	size_t size;
	const char *text = heap_string(heap, string, &size);

	row_raw(row, scratch, text, size);
}

void row_address(struct row *row, const struct heap *heap, uint32_t node)
{
	if (node < heap->objects)
		row_u64(row, heap_address(heap, node));
	else
		row_unknown(row);
}

double ratio_of(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

uint32_t params_type(const struct heap *heap, const struct report_params *params,
		     struct table *table)
{
	uint32_t type = params->type ? heap_type_find(heap, params->type) : 0;

	if (!type && params->type) {
		struct text text = { 0 };

		candidates_text(&text, heap, params->type);
		table_fail(table, text_get(&text));
		text_free(&text);
	}
	return type;
}

uint32_t params_node(const struct heap *heap, const struct report_params *params,
		     struct table *table)
{
	uint32_t node = heap_find(heap, params->object);

	if (node == HEAP_NONE)
		table->error = "no object at that address";
	return node;
}

/* ---- top ---- */

/* Whether x belongs below y in the result. */
static bool top_below(const struct top_entry *x, const struct top_entry *y)
{
	return x->key != y->key ? x->key < y->key : x->id > y->id;
}

static void top_sift_down(struct top_entry *heap, size_t count, size_t i)
{
	assert(i < count);
	for (;;) {
		size_t least = i, left = 2 * i + 1;

		for (size_t c = left; c < left + 2 && c < count; c++)
			if (top_below(&heap[c], &heap[least]))
				least = c;
		if (least == i)
			return;
		struct top_entry swap = heap[i];
		heap[i] = heap[least];
		heap[least] = swap;
		i = least;
	}
}

static void top_sift_up(struct top_entry *heap, size_t i)
{
	while (i && top_below(&heap[i], &heap[(i - 1) / 2])) {
		struct top_entry swap = heap[i];

		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
		heap[i] = swap;
	}
}

int top_offer(struct top *top, uint64_t key, uint32_t id)
{
	struct top_entry entry = { key, id };
	size_t count = VEC_COUNT(top->heap, struct top_entry);

	assert(top->limit == 0 || count <= top->limit);
	top->offered++;
	if (top->limit && count == top->limit) {
		struct top_entry *heap = top->heap.data;

		if (top_below(&heap[0], &entry)) {
			heap[0] = entry;
			top_sift_down(heap, count, 0);
		}
		return 0;
	}
	if (vec_append(&top->heap, &entry, sizeof(entry)))
		return -ENOMEM;
	if (top->limit)
		top_sift_up(top->heap.data, count);
	return 0;
}

static int top_compare(const void *a, const void *b)
{
	const struct top_entry *x = a, *y = b;

	return top_below(y, x) ? -1 : top_below(x, y);
}

void top_sort(struct top *top)
{
	size_t count = VEC_COUNT(top->heap, struct top_entry);

	if (count)
		qsort(top->heap.data, count, sizeof(struct top_entry), top_compare);
}

void top_free(struct top *top)
{
	vec_free(&top->heap);
}
