/* SPDX-License-Identifier: MIT */
/* garbage - the order of a depth-first search among the unreached (garbage.h). */
#include "viewer/analysis/garbage.h"

#include <assert.h>
#include <errno.h>

struct entry {
	uint32_t node, next;
};

struct search {
	const struct heap *heap;
	const uint32_t *parent;
	struct vec seen;  /* bit per object */
	struct vec stack; /* struct entry */
	struct vec *order;
};

/* Marks an unreached object; false when it is none, or was met before. */
static bool garbage_meet(struct search *s, uint32_t node)
{
	uint64_t *word, bit;

	if (node >= s->heap->objects || s->parent[node] != HEAP_NONE)
		return false;
	word = VEC(s->seen, uint64_t) + node / 64;
	bit = 1ull << (node & 63);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

static int garbage_push(struct search *s, uint32_t node)
{
	struct entry entry = { node, 0 };

	assert(node < s->heap->objects);
	return vec_append(&s->stack, &entry, sizeof(entry));
}

/* Goes one step on from the top of the stack. */
static int garbage_step(struct search *s)
{
	struct entry *top =
		(struct entry *)(void *)((char *)s->stack.data + s->stack.size) - 1;
	struct heap_span refs = heap_refs(s->heap, top->node);
	uint32_t node = top->node;

	while (top->next < refs.count) {
		uint32_t to = refs.target[top->next++];

		if (garbage_meet(s, to))
			return garbage_push(s, to);
	}
	if (top->next == refs.count) {
		top->next++;
		if (garbage_meet(s, heap_type_edge(s->heap, node)))
			return garbage_push(s, heap_type_edge(s->heap, node));
	}
	s->stack.size -= sizeof(*top);
	return vec_push_u32(s->order, node);
}

static int garbage_search_from(struct search *s, bool instances,
			       const struct progress *progress)
{
	int err = 0;

	for (uint32_t o = 0; o < s->heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "garbage", o, s->heap->objects);
		if (err || instances != (heap_kind(s->heap, o) == SNAP_KIND_OBJECT) ||
		    !garbage_meet(s, o))
			continue;
		err = garbage_push(s, o);
		while (s->stack.size && !err)
			err = garbage_step(s);
	}
	return err;
}

int garbage_order(const struct heap *heap, const uint32_t *parent,
		  const struct progress *progress, struct vec *order)
{
	struct search s = { .heap = heap, .parent = parent, .order = order };
	int err = vec_alloc(&s.seen, ((size_t)heap->objects / 64 + 1) * sizeof(uint64_t));

	if (!err)
		err = garbage_search_from(&s, true, progress);
	if (!err)
		err = garbage_search_from(&s, false, progress);
	vec_free(&s.seen);
	vec_free(&s.stack);
	return err;
}
