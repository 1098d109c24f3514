/* SPDX-License-Identifier: MIT */
/* line - see line.h. */
#include "viewer/model/line.h"

#include <assert.h>
#include <stdlib.h>

static int line_compare(const void *a, const void *b)
{
	const struct snap_line *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->call < y->call ? -1 : x->call > y->call;
}

void line_build(struct heap *heap)
{
	if (heap->line.size)
		qsort(heap->line.data, VEC_COUNT(heap->line, struct snap_line),
		      sizeof(struct snap_line), line_compare);
}

bool line_check(const struct heap *heap)
{
	const struct snap_line *line = heap->line.data;

	for (size_t i = 0; i < VEC_COUNT(heap->line, struct snap_line); i++)
		if (line[i].file > heap->strings ||
		    (i && line_compare(&line[i - 1], &line[i]) > 0))
			return false;
	return true;
}

static const struct snap_line *line_find(const struct heap *heap, uint32_t node,
					 uint32_t call)
{
	const struct snap_line wanted = { .object = heap_address(heap, node),
					  .call = call };
	const size_t count = VEC_COUNT(heap->line, struct snap_line);

	return count ?
		bsearch(&wanted, heap->line.data, count, sizeof(wanted), line_compare) :
		NULL;
}

const struct snap_line *line_of(const struct heap *heap, uint32_t node, uint32_t call)
{
	const struct snap_line *ret;
	struct heap_span refs;

	assert(node < heap->nodes);
	if (node >= heap->objects || !heap->line.size)
		return NULL;
	ret = line_find(heap, node, call);
	if (ret || heap_kind(heap, node) != SNAP_KIND_GENERATOR)
		return ret;
	refs = heap_refs(heap, node);
	for (uint32_t i = 0; i < refs.count && !ret; i++)
		if (refs.target[i] < heap->objects &&
		    heap_kind(heap, refs.target[i]) == SNAP_KIND_FRAME)
			ret = line_find(heap, refs.target[i], 0);
	return ret;
}
