/* SPDX-License-Identifier: MIT */
/* site - see site.h. */
#include "viewer/model/site.h"

#include <stdlib.h>

static int site_compare(const void *a, const void *b)
{
	const struct snap_trace *x = a, *y = b;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

void site_build(struct heap *heap)
{
	if (heap->trace.size)
		qsort(heap->trace.data, VEC_COUNT(heap->trace, struct snap_trace),
		      sizeof(struct snap_trace), site_compare);
}

bool site_check(const struct heap *heap)
{
	const struct snap_trace *trace = heap->trace.data;

	for (uint32_t id = 1; id <= site_count(heap); id++)
		if (site_at(heap, id)->caller >= id ||
		    site_at(heap, id)->file > heap->strings)
			return false;
	for (size_t i = 0; i < VEC_COUNT(heap->trace, struct snap_trace); i++)
		if (trace[i].site > site_count(heap) ||
		    (i && site_compare(&trace[i - 1], &trace[i]) > 0))
			return false;
	return true;
}

/* The trace of the block that a node lies in; NULL: there is none. */
static const struct snap_trace *site_trace(const struct heap *heap, uint32_t node)
{
	const struct snap_trace *trace = heap->trace.data;
	size_t lo = 0, hi = VEC_COUNT(heap->trace, struct snap_trace);
	uint64_t address;

	if (!hi || node >= heap->objects)
		return NULL;
	address = heap_address(heap, node);
	while (lo < hi) { /* the first that begins beyond the object's address */
		const size_t middle = lo + (hi - lo) / 2;

		if (!trace[middle].domain && trace[middle].addr <= address)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo && address - trace[lo - 1].addr < trace[lo - 1].size ? &trace[lo - 1] :
									 NULL;
}

uint32_t site_of(const struct heap *heap, uint32_t node)
{
	const struct snap_trace *trace = site_trace(heap, node);

	return trace ? trace->site : 0;
}
