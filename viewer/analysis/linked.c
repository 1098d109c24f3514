/* SPDX-License-Identifier: MIT */
/* linked - a sample of the members, and what the holder refers to (linked.h). */
#include "viewer/analysis/linked.h"

#include <assert.h>

enum {
	SAMPLE = 1000,	    /* members looked at */
	LEAST_MEMBERS = 24, /* fewer are no list worth the word */
	ENDS = 8, /* members that a holder may refer to: first, last, a cursor */
	NEIGHBOURS = 2
};

struct linked {
	const struct analysis *a;
	uint32_t holder, type;
};

static bool linked_is_member(const struct linked *l, uint32_t node)
{
	return node < l->a->heap->objects && node != l->holder &&
		heap_namesake_of(l->a->heap, node) == l->type &&
		analysis_idom(l->a, node) == l->holder;
}

/* Other members that a node refers to, its __dict__ between or not; at most `most` are
 * told. */
static uint32_t linked_count(const struct linked *l, uint32_t node, uint32_t most)
{
	const struct heap *heap = l->a->heap;
	const struct heap_span refs = heap_refs(heap, node);
	uint32_t count = 0;

	for (uint32_t i = 0; i < refs.count && count < most; i++) {
		const uint32_t to = refs.target[i];

		if (to != node && linked_is_member(l, to))
			count++;
		if (to >= heap->objects || heap_kind(heap, to) != SNAP_KIND_DICT ||
		    analysis_idom(l->a, to) != node)
			continue;
		const struct heap_span items = heap_refs(heap, to);
		for (uint32_t k = 0; k < items.count && count < most; k++)
			count += items.target[k] != node &&
				linked_is_member(l, items.target[k]);
	}
	return count;
}

bool linked_in_a_list(const struct analysis *a, uint32_t holder,
		      struct heap_span children, uint32_t type)
{
	const struct linked l = { a, holder, type };
	const uint32_t stride = children.count / SAMPLE + 1;
	uint32_t members = 0, linked = 0;

	assert(holder < a->heap->nodes);
	if (holder < a->heap->objects && linked_count(&l, holder, ENDS + 1) > ENDS)
		return false;
	for (uint32_t i = 0; i < children.count; i += stride) {
		uint32_t others;

		if (!linked_is_member(&l, children.target[i]))
			continue;
		others = linked_count(&l, children.target[i], NEIGHBOURS + 1);
		members++;
		linked += others > 0 && others <= NEIGHBOURS;
	}
	return members >= LEAST_MEMBERS && linked >= members - members / 10;
}
