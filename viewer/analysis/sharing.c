/* SPDX-License-Identifier: MIT */
/* sharing - see sharing.h. */
#include "viewer/analysis/sharing.h"

#include <errno.h>
#include <string.h>

enum {
	SHARING_TABLE = 4096, /* bytes of an object, most of them elsewhere */
	SHARING_PAGE = 4096,  /* the least that runs are made of */
	/* bytes that a forked process shares at least: its code and modules; less is a
	 * page that somebody looks at, or one of zeros, which older kernels don't tell */
	SHARING_LEAST = 1 << 20,
};

struct sharing {
	struct analysis *a;
	const struct heap *heap, *parent;
	const struct progress *progress;
	size_t last, parents_last; /* the runs that were looked at last */
	struct vec todo;
};

uint64_t sharing_total(const struct heap *heap)
{
	const struct snap_shared *run = heap->shared.data;
	uint64_t sum = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->shared, struct snap_shared); i++)
		sum += run[i].length;
	return sum < SHARING_LEAST ? 0 : sum;
}

const char *sharing_name(enum sharing_place place)
{
	static const char *const names[SHARING_PLACES] = {
		[SHARING_PRIVATE] = "private",	 [SHARING_COPIED] = "copied",
		[SHARING_SHARED] = "shared",	 [SHARING_PARENT] = "parent",
		[SHARING_SIBLINGS] = "siblings",
	};

	return names[place];
}

static bool sharing_known(const struct heap *heap)
{
	return heap_fact_u64(heap, "shared.known", 0) != 0;
}

/* The first run that ends beyond addr. */
static size_t sharing_search(const struct heap *heap, uint64_t addr)
{
	const struct snap_shared *run = heap->shared.data;
	size_t low = 0, high = VEC_COUNT(heap->shared, struct snap_shared);

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (run[middle].start + run[middle].length <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether addr is in a shared page; *last: the run that was looked at last. */
static bool sharing_holds(const struct heap *heap, uint64_t addr, size_t *last)
{
	const struct snap_shared *run = heap->shared.data;
	const size_t count = VEC_COUNT(heap->shared, struct snap_shared);

	if (*last >= count || addr < run[*last].start ||
	    addr >= run[*last].start + run[*last].length)
		*last = sharing_search(heap, addr);
	return *last < count && addr >= run[*last].start;
}

static enum sharing_place sharing_at(struct sharing *s, uint64_t addr)
{
	if (!sharing_holds(s->heap, addr, &s->last))
		return SHARING_PRIVATE;
	if (!s->parent)
		return SHARING_SHARED;
	return sharing_holds(s->parent, addr, &s->parents_last) ? SHARING_PARENT :
								  SHARING_SIBLINGS;
}

/* Whether a private object was shared once: inferred from the parent's at its place. */
static bool sharing_copied(const struct sharing *s, uint32_t object)
{
	const uint32_t there = s->parent ?
		heap_find(s->parent, heap_address(s->heap, object)) :
		HEAP_NONE;

	return there < (s->parent ? s->parent->objects : 0) &&
		!strcmp(heap_type_name(s->heap, heap_type_of(s->heap, object)),
			heap_type_name(s->parent, heap_type_of(s->parent, there)));
}

static void sharing_begin(struct sharing *s, const struct heap *heap)
{
	const struct heap *const parent = heap->forked_from;

	s->heap = heap;
	s->parent = parent && sharing_known(parent) ? parent : NULL;
}

static void sharing_add_object(struct sharing *s, uint32_t object,
			       struct suspect *suspect)
{
	const uint64_t addr = heap_address(s->heap, object),
		       size = heap_size(s->heap, object), end = addr + size;
	const bool in_line = heap_in_line(s->heap, object);
	uint64_t next;

	if (!in_line && size >= SHARING_TABLE)
		return; /* a table who knows where */
	suspect->own += size;
	if (sharing_at(s, addr) == SHARING_PRIVATE && sharing_copied(s, object))
		suspect->copied += size;
	for (uint64_t at = addr; at < end; at = next) {
		next = in_line ? (at / SHARING_PAGE + 1) * SHARING_PAGE : end;
		next = next < end ? next : end;
		const enum sharing_place place = sharing_at(s, at);

		if (place != SHARING_PRIVATE)
			suspect->still_shared += next - at;
		if (place == SHARING_PARENT)
			suspect->with_parent += next - at;
		if (place == SHARING_SIBLINGS)
			suspect->with_siblings += next - at;
	}
}

enum sharing_place sharing_of(const struct heap *heap, uint32_t object)
{
	struct sharing s = { 0 };

	if (object >= heap->objects || !sharing_known(heap) ||
	    (!heap_in_line(heap, object) && heap_size(heap, object) >= SHARING_TABLE))
		return SHARING_UNKNOWN;
	sharing_begin(&s, heap);
	const enum sharing_place place = sharing_at(&s, heap_address(heap, object));

	return place == SHARING_PRIVATE && sharing_copied(&s, object) ? SHARING_COPIED :
									place;
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
	struct sharing s = { .a = analysis, .progress = progress };
	struct suspect *suspect = suspects->data;
	int err = 0;

	sharing_begin(&s, analysis->heap);
	if (!sharing_total(s.heap) && !s.parent)
		return 0;
	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect) && !err; i++)
		if (suspect[i].memory == SUSPECT_HELD && !suspect[i].group &&
		    !suspect[i].frames && suspect[i].point < s.heap->objects)
			err = sharing_add(&s, &suspect[i]);
	vec_free(&s.todo);
	return err;
}
