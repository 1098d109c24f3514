/* SPDX-License-Identifier: MIT */
/* absent - see absent.h. */
#include "viewer/model/absent.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ABSENT_OBJECT (64u << 10) /* objects that are smaller hold no gap that is told */

/* Whether all that isn't there is told, so that the rest of such memory is. */
static bool absent_is_known(const struct heap *heap)
{
	return heap_fact_u64(heap, "absent.known", 0) == 1;
}

static int absent_by_start(const void *a, const void *b)
{
	const struct snap_absent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Ascending, none beyond the end of memory, none that overlap. */
static void absent_sort(struct heap *heap)
{
	struct snap_absent *run = heap->absent.data;
	const size_t count = VEC_COUNT(heap->absent, struct snap_absent);
	size_t kept = 0;

	if (count)
		qsort(run, count, sizeof(*run), absent_by_start);
	for (size_t i = 0; i < count; i++) {
		uint64_t end = run[i].start + run[i].length;
		const uint64_t last =
			kept ? run[kept - 1].start + run[kept - 1].length : 0;

		if (end < run[i].start)
			end = UINT64_MAX;
		if (end <= last)
			continue;
		run[kept].start = run[i].start > last ? run[i].start : last;
		run[kept].length = end - run[kept].start;
		kept += run[kept].length > 0;
	}
	heap->absent.size = kept * sizeof(*run);
}

uint64_t absent_bytes(const struct heap *heap, uint64_t start, uint64_t end)
{
	const struct snap_absent *const run = heap->absent.data;
	const size_t count = VEC_COUNT(heap->absent, struct snap_absent);
	size_t low = 0, high = count;
	uint64_t sum = 0;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (run[mid].start + run[mid].length <= start)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < count && run[low].start < end; low++) {
		const uint64_t last = run[low].start + run[low].length;
		const uint64_t from = run[low].start > start ? run[low].start : start;

		sum += (last < end ? last : end) - from;
	}
	return sum;
}

static int absent_find_objects(struct heap *heap)
{
	for (uint32_t o = 0; o < heap->objects; o++) {
		const uint64_t start = heap_address(heap, o), size = heap_size(heap, o);

		if (size < ABSENT_OBJECT || !heap_in_line(heap, o) ||
		    start + size < start)
			continue;
		const struct heap_untouched found = {
			.object = o,
			.bytes = absent_bytes(heap, start, start + size),
		};
		assert(found.bytes <= size);
		if (found.bytes &&
		    vec_append(&heap->untouched, &found, sizeof(found)) != 0)
			return -ENOMEM;
	}
	return 0;
}

int absent_build(struct heap *heap)
{
	assert(!heap->untouched.size);
	if (!absent_is_known(heap))
		heap->absent.size = 0;
	absent_sort(heap);
	return heap->absent.size ? absent_find_objects(heap) : 0;
}

uint64_t absent_of_objects(const struct heap *heap)
{
	const struct heap_untouched *const found = heap->untouched.data;
	uint64_t sum = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->untouched, struct heap_untouched); i++)
		sum += found[i].bytes;
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++)
		if (heap_native_at(heap, n)->flags & HEAP_NATIVE_COUNTED)
			sum += heap_native_at(heap, n)->size -
				heap_native_at(heap, n)->resident;
	return sum < heap->size ? sum : heap->size;
}

uint64_t absent_total(const struct heap *heap)
{
	uint64_t sum = absent_of_objects(heap);

	for (uint32_t n = heap_native_base(heap); n < heap->nodes && !heap->python_only;
	     n++)
		if (!(heap_native_at(heap, n)->flags & HEAP_NATIVE_COUNTED))
			sum += heap_native_at(heap, n)->size -
				heap_native_at(heap, n)->resident;
	return sum;
}

bool absent_check(const struct heap *heap)
{
	const struct snap_absent *const run = heap->absent.data;
	const struct heap_untouched *const found = heap->untouched.data;
	uint64_t last = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->absent, struct snap_absent); i++) {
		if (run[i].start < last || run[i].length > UINT64_MAX - run[i].start)
			return false;
		last = run[i].start + run[i].length;
	}
	for (size_t i = 0; i < VEC_COUNT(heap->untouched, struct heap_untouched); i++)
		if (found[i].object >= heap->objects ||
		    (i && found[i].object <= found[i - 1].object) ||
		    found[i].bytes > heap_size(heap, found[i].object))
			return false;
	return true;
}
