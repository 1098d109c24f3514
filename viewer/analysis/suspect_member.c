/* SPDX-License-Identifier: MIT */
/* suspect_member - see suspect_member.h. */
#include "viewer/analysis/suspect_member.h"

#include <assert.h>

static const enum heap_synth_kind holders[HELDS] = {
	[HELD_BY_C] = HEAP_SYNTH_UNKNOWN,
	[HELD_BY_NOTHING] = HEAP_SYNTH_GARBAGE,
	[HELD_BY_ATEXIT] = HEAP_SYNTH_ATEXIT,
	[HELD_FOR_EVER] = HEAP_SYNTH_IMMORTAL,
};

enum heap_synth_kind suspect_member_holder(enum held held)
{
	assert(held > HELD_BY_OBJECT && held < HELDS);
	return holders[held];
}

enum held suspect_member_held(const struct analysis *a, uint32_t node)
{
	const uint32_t around[] = { analysis_idom(a, node), analysis_parent(a, node) };

	for (size_t i = 0; i < 2; i++)
		for (unsigned h = HELD_BY_OBJECT + 1; h < HELDS; h++)
			if (around[i] == heap_group(a->heap, holders[h]))
				return h;
	return HELD_BY_OBJECT;
}

static bool suspect_member_same_call(const struct heap *heap, uint32_t one,
				     uint32_t other)
{
	const struct snap_frame *frame = heap->frame.data;
	const struct heap_synth *a = heap_synth(heap, one), *b = heap_synth(heap, other);

	return a->kind == HEAP_SYNTH_FRAME && b->kind == HEAP_SYNTH_FRAME &&
		frame[a->ref].function == frame[b->ref].function &&
		frame[a->ref].file == frame[b->ref].file;
}

bool suspect_member_is(const struct analysis *a, uint32_t point, uint32_t node)
{
	const struct heap *heap = a->heap;
	const uint32_t above = analysis_parent(a, node);

	if (analysis_idom(a, node) < heap->objects)
		return false;
	if (point < heap->objects || point == HEAP_NONE ||
	    point == heap_group(heap, HEAP_SYNTH_MODULES))
		return suspect_member_held(a, node) == HELD_BY_OBJECT;
	return point == above || point == analysis_idom(a, node) ||
		(above != HEAP_NONE && above >= heap->objects &&
		 suspect_member_same_call(heap, point, above));
}
