/* SPDX-License-Identifier: MIT */
/* weak_dict - see weak_dict.h. */
#include "viewer/analysis/weak_dict.h"

#include "viewer/model/attribute.h"

bool weak_dict_keeps(const struct analysis *a, uint32_t table, uint32_t ref)
{
	bool weak;

	for (uint32_t k = 0; k < heap_refs(a->heap, ref).count; k++) {
		const uint32_t to = heap_target(a->heap, ref, k, &weak);

		if (weak && to < a->heap->objects && analysis_is_below(a, to, table))
			return true;
	}
	return false;
}

uint64_t weak_dict_self_held(const struct analysis *a, uint32_t dict, uint64_t most,
			     uint64_t *entries_ret)
{
	const struct heap *heap = a->heap;
	const uint32_t table = attribute_of(heap, dict, "data");
	struct heap_span refs = { 0 };
	uint64_t held = 0, entries = 0;

	if (table < heap->objects)
		refs = heap_refs(heap, table);
	for (uint32_t i = 0; i < refs.count && entries < most; i++) {
		const uint32_t ref = refs.target[i];

		if (ref >= heap->objects || heap_kind(heap, ref) != SNAP_KIND_WEAKREF)
			continue;
		entries++;
		held += weak_dict_keeps(a, table, ref);
	}
	*entries_ret = entries;
	return held;
}
