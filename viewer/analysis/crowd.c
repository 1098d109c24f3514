/* SPDX-License-Identifier: MIT */
/* crowd - a bit for each referent of the holder; steps up for the rest (crowd.h). */
#include "viewer/analysis/crowd.h"

#include <assert.h>

enum { CROWD_STEPS = 64 }; /* as long as the paths that holder.c looks at */

int crowd_begin(struct crowd *crowd, const struct analysis *a, uint32_t holder)
{
	const struct heap *heap = a->heap;
	int err = vec_alloc(&crowd->held,
			    ((size_t)heap->objects / 64 + 1) * sizeof(uint64_t));

	crowd->a = a;
	crowd->holder = holder;
	if (err || holder >= heap->objects)
		return err;
	const struct heap_span refs = heap_refs(heap, holder);
	uint64_t *held = crowd->held.data;
	for (uint32_t i = 0; i < refs.count; i++)
		if (refs.target[i] < heap->objects)
			held[refs.target[i] / 64] |= 1ull << (refs.target[i] & 63);
	return 0;
}

bool crowd_has(const struct crowd *crowd, uint32_t node)
{
	assert(crowd->a && node < crowd->a->heap->nodes);
	if (node < crowd->a->heap->objects &&
	    VEC(crowd->held, uint64_t)[node / 64] >> (node & 63) & 1)
		return true;
	for (unsigned i = 0; i < CROWD_STEPS && node != HEAP_NONE; i++) {
		node = analysis_parent(crowd->a, node);
		if (node == crowd->holder)
			return true;
	}
	return false;
}

void crowd_end(struct crowd *crowd)
{
	vec_free(&crowd->held);
}
