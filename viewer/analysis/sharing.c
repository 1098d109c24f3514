/* SPDX-License-Identifier: MIT */
/* sharing - see sharing.h. */
#include "viewer/analysis/sharing.h"

#include <errno.h>

enum { SHARING_TABLE = 4096 }; /* bytes of an object, most of them elsewhere */

struct sharing {
	struct analysis *a;
	const struct heap *heap;
	const struct progress *progress;
	size_t last; /* the run that was looked at last */
	struct vec todo;
};

uint64_t sharing_total(const struct heap *heap)
{
	const struct snap_shared *run = heap->shared.data;
	uint64_t sum = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->shared, struct snap_shared); i++)
		sum += run[i].length;
	return sum;
}

/* The first run that ends beyond addr. */
static size_t sharing_search(const struct sharing *s, uint64_t addr)
{
	const struct snap_shared *run = s->heap->shared.data;
	size_t low = 0, high = VEC_COUNT(s->heap->shared, struct snap_shared);

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (run[middle].start + run[middle].length <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Bytes of [addr, addr + size) in shared pages. */
static uint64_t sharing_overlap(struct sharing *s, uint64_t addr, uint64_t size)
{
	const struct snap_shared *run = s->heap->shared.data;
	const size_t count = VEC_COUNT(s->heap->shared, struct snap_shared);
	const uint64_t end = addr + size;
	uint64_t sum = 0;
	size_t i = s->last;

	if (i >= count || addr < run[i].start || addr >= run[i].start + run[i].length)
		i = sharing_search(s, addr);
	s->last = i;
	for (; i < count && run[i].start < end; i++) {
		const uint64_t from = run[i].start > addr ? run[i].start : addr;
		const uint64_t to = run[i].start + run[i].length;

		sum += (to < end ? to : end) - from;
	}
	return sum;
}

static void sharing_add_object(struct sharing *s, uint32_t object,
			       struct suspect *suspect)
{
	const uint64_t addr = heap_address(s->heap, object);
	const uint64_t size = heap_size(s->heap, object);

	switch (heap_kind(s->heap, object)) {
	case SNAP_KIND_STR:
	case SNAP_KIND_BYTES:
	case SNAP_KIND_INT:
	case SNAP_KIND_TUPLE:
		suspect->own += size;
		suspect->still_shared += sharing_overlap(s, addr, size);
		break;
	default:
		if (size >= SHARING_TABLE)
			break; /* a table who knows where */
		suspect->own += size;
		suspect->still_shared += sharing_overlap(s, addr, 1) ? size : 0;
	}
}

/* All that a node dominates, itself too. */
static int sharing_add(struct sharing *s, struct suspect *suspect)
{
	struct heap_span children;
	int err = vec_push_u32(&s->todo, suspect->point);

	for (uint64_t n = 0; s->todo.size && !err; n++) {
		const uint32_t node =
			VEC(s->todo, uint32_t)[VEC_COUNT(s->todo, uint32_t) - 1];

		s->todo.size -= sizeof(uint32_t);
		if (node < s->heap->objects)
			sharing_add_object(s, node, suspect);
		if (n % PROGRESS_EVERY == 0)
			err = progress_step(s->progress, "shared pages", n,
					    s->heap->nodes);
		if (!err)
			err = analysis_children(s->a, node, s->progress, &children);
		for (uint32_t i = 0; i < children.count && !err; i++)
			err = vec_push_u32(&s->todo, children.target[i]);
	}
	return err;
}

int sharing_of_suspects(struct analysis *analysis, const struct progress *progress,
			struct vec *suspects)
{
	struct sharing s = { .a = analysis,
			     .heap = analysis->heap,
			     .progress = progress };
	struct suspect *suspect = suspects->data;
	int err = 0;

	if (!sharing_total(s.heap))
		return 0;
	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect) && !err; i++)
		if (suspect[i].memory == SUSPECT_HELD && !suspect[i].group &&
		    !suspect[i].frames && suspect[i].point < s.heap->objects)
			err = sharing_add(&s, &suspect[i]);
	vec_free(&s.todo);
	return err;
}
