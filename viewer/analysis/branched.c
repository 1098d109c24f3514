/* SPDX-License-Identifier: MIT */
/* branched - a walk down the dominator tree (branched.h). */
#include "viewer/analysis/branched.h"

#include <assert.h>

enum {
	LEAST = 100,  /* fewer are no tree worth the word */
	TIMES = 10,   /* ... and so many times those at the top */
	FEW_MOST = 64 /* more at the top are members of a container */
};

/* Dicts and lists lie in other things, too: only those right in one another count. */
static bool branched_may_be(const struct heap *heap, uint32_t type)
{
	const unsigned kind = type ? heap_type(heap, type)->kind : SNAP_KIND_NONE;

	return kind == SNAP_KIND_OBJECT || kind == SNAP_KIND_DICT ||
		kind == SNAP_KIND_LIST || kind == SNAP_KIND_TUPLE;
}

int branched_count(struct analysis *a, uint32_t top, uint32_t type, uint64_t few,
		   const struct progress *progress, uint64_t *ret)
{
	const struct heap *const heap = a->heap;
	struct vec todo = { 0 };
	uint64_t found = 0, seen = 0;
	int err = 0;

	*ret = 0;
	assert(top < heap->nodes && type <= heap->types);
	if (!branched_may_be(heap, type) || few > FEW_MOST ||
	    analysis_retained_count(a, top) < LEAST)
		return 0;
	const bool nested = heap_type(heap, type)->kind != SNAP_KIND_OBJECT;
	err = vec_push_u32(&todo, top);
	while (todo.size && !err) {
		const uint32_t node = VEC(todo, uint32_t)[todo.size / 4 - 1];
		struct heap_span children;

		todo.size -= 4;
		found += node < heap->objects && heap_namesake_of(heap, node) == type;
		if (++seen % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "trees", seen, 0);
		if (!err)
			err = analysis_children(a, node, progress, &children);
		for (uint32_t i = 0; i < children.count && !err; i++)
			if (!nested || heap_namesake_of(heap, children.target[i]) == type)
				err = vec_push_u32(&todo, children.target[i]);
	}
	vec_free(&todo);
	if (!err && found >= LEAST && found >= TIMES * few)
		*ret = found;
	return err;
}
