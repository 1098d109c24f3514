/* SPDX-License-Identifier: MIT */
/* within - see within.h. */
#include "viewer/model/within.h"

#include <errno.h>
#include <string.h>

/* The reference in a shape that leads to bytes which its objects may count; HEAP_NONE:
 * there is none. */
static uint32_t within_slot(const struct heap *heap, uint32_t shape)
{
	static const char *const fields[] = { "buf", "ob_bytes_object" };
	const struct heap_shape *s = &VEC(heap->shape, struct heap_shape)[shape];
	const struct snap_label *label =
		VEC(heap->label, const struct snap_label) + s->first;

	for (uint32_t i = 0; i < s->nfixed; i++)
		for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
			if (label[i].kind == SNAP_LABEL_ATTR &&
			    !strcmp(heap_string(heap, label[i].name, NULL), fields[f]))
				return i;
	return HEAP_NONE;
}

/* What an object has in that slot, where its size counts that. */
static uint32_t within_find(const struct heap *heap, uint32_t object, uint32_t slot)
{
	const struct heap_span refs = heap_refs(heap, object);
	const uint32_t to = slot < refs.count ? refs.target[slot] : HEAP_NONE;
	const uint64_t own = heap_type(heap, heap_type_of(heap, object))->basicsize;

	return to < heap->objects && heap_kind(heap, to) == SNAP_KIND_BYTES &&
			heap_size(heap, object) >= own + heap_size(heap, to) ?
		to :
		HEAP_NONE;
}

int within_take_out(struct heap *heap)
{
	struct vec slots = { 0 };
	bool any = false;

	if (vec_alloc(&slots, ((size_t)heap->shapes + 1) * sizeof(uint32_t)))
		return -ENOMEM;
	uint32_t *slot = slots.data;
	for (uint32_t s = 0; s <= heap->shapes; s++) {
		slot[s] = within_slot(heap, s);
		any |= slot[s] != HEAP_NONE;
	}
	for (uint32_t o = 0; o < heap->objects && any; o++) {
		const uint32_t at = slot[heap_class_of(heap, o)->shape];
		const uint32_t other =
			at != HEAP_NONE ? within_find(heap, o, at) : HEAP_NONE;

		if (other != HEAP_NONE)
			heap_shrink(heap, o, heap_size(heap, other));
	}
	vec_free(&slots);
	return 0;
}
