/* SPDX-License-Identifier: MIT */
/* within - see within.h. */
#include "viewer/model/within.h"

#include <stdlib.h>
#include <string.h>

static bool within_is_type(const struct heap *heap, uint32_t type)
{
	const char *name = heap_type_name(heap, type);

	return !strcmp(name, "_io.BytesIO") || !strcmp(name, "bytearray") ||
		!strcmp(name, "builtins.bytearray");
}

/* The bytes object that an object's size counts; HEAP_NONE: none. */
static uint32_t within_find(const struct heap *heap, uint32_t object)
{
	const struct heap_span refs = heap_refs(heap, object);
	const uint64_t size = heap_size(heap, object),
		       own = heap_type(heap, heap_type_of(heap, object))->basicsize;

	for (uint32_t i = 0; i < refs.count; i++) {
		const uint32_t to = refs.target[i];

		if (to < heap->objects && heap_kind(heap, to) == SNAP_KIND_BYTES &&
		    size >= own + heap_size(heap, to))
			return to;
	}
	return HEAP_NONE;
}

static int within_by_id(const void *a, const void *b)
{
	const struct heap_big *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void within_shrink(struct heap *heap, uint32_t object, uint64_t by)
{
	const struct heap_big key = { .id = object };
	struct heap_type *type =
		&VEC(heap->type, struct heap_type)[heap_type_of(heap, object)];
	uint16_t *small = &VEC(heap->size16, uint16_t)[object];
	const uint64_t left = heap_size(heap, object) - by;

	if (left < UINT16_MAX) {
		*small = (uint16_t)left;
	} else {
		struct heap_big *big = bsearch(&key, heap->size_big.data,
					       VEC_COUNT(heap->size_big, struct heap_big),
					       sizeof(key), within_by_id);

		if (!big)
			return;
		big->value = left;
	}
	type->size -= by;
	heap->size -= by;
}

void within_take_out(struct heap *heap)
{
	bool any = false;

	for (uint32_t t = 1; t <= heap->types && !any; t++)
		any = heap_type(heap, t)->count && within_is_type(heap, t);
	for (uint32_t o = 0; o < heap->objects && any; o++) {
		if (!within_is_type(heap, heap_type_of(heap, o)))
			continue;
		const uint32_t other = within_find(heap, o);

		if (other != HEAP_NONE)
			within_shrink(heap, o, heap_size(heap, other));
	}
}
