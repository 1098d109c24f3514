/* SPDX-License-Identifier: MIT */
/* garbage - the order of a depth-first search among the unreached (garbage.h). */
#include "viewer/analysis/garbage.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

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

static int garbage_search_at(struct search *s, uint32_t node)
{
	int err = 0;

	if (garbage_meet(s, node))
		err = garbage_push(s, node);
	while (s->stack.size && !err)
		err = garbage_step(s);
	return err;
}

/* ---- instances, those of the rarest type first ---- */

static int garbage_rarer(const void *a, const void *b, void *arg)
{
	const uint32_t *count = arg, x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (count[x] != count[y])
		return count[x] < count[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

static bool garbage_is_instance(const struct search *s, uint32_t node)
{
	return s->parent[node] == HEAP_NONE &&
		heap_kind(s->heap, node) == SNAP_KIND_OBJECT;
}

/* counts: u32 per type, of which where its first instance is put, the rarest type's
 * first, is left.  *all_ret: how many there are. */
static int garbage_place_types(struct vec *counts, size_t *all_ret)
{
	const size_t types = VEC_COUNT(*counts, uint32_t);
	uint32_t *count = counts->data, at = 0;
	struct vec order = { 0 };

	if (vec_alloc(&order, types * sizeof(uint32_t)))
		return -ENOMEM;
	uint32_t *type = order.data;
	for (size_t t = 0; t < types; t++)
		type[t] = (uint32_t)t;
	qsort_r(type, types, sizeof(*type), garbage_rarer, count);
	for (size_t i = 0; i < types; i++) {
		const uint32_t its = count[type[i]];

		count[type[i]] = at;
		at += its;
	}
	vec_free(&order);
	*all_ret = at;
	return 0;
}

/* ret: u32, the unreached instances. */
static int garbage_instances(struct search *s, const struct progress *progress,
			     struct vec *ret)
{
	struct vec counts = { 0 };
	size_t all = 0;
	int err = vec_alloc(&counts, ((size_t)s->heap->types + 1) * sizeof(uint32_t));

	if (err)
		return err;
	uint32_t *at = counts.data;
	for (uint32_t o = 0; o < s->heap->objects; o++)
		if (garbage_is_instance(s, o))
			at[heap_type_of(s->heap, o)]++;
	err = garbage_place_types(&counts, &all);
	if (!err)
		err = vec_alloc(ret, all * sizeof(uint32_t));
	for (uint32_t o = 0; o < s->heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "garbage", o, s->heap->objects);
		if (garbage_is_instance(s, o))
			VEC(*ret, uint32_t)[at[heap_type_of(s->heap, o)]++] = o;
	}
	vec_free(&counts);
	return err;
}

static int garbage_search_instances(struct search *s, const struct progress *progress)
{
	struct vec instances = { 0 };
	int err = garbage_instances(s, progress, &instances);

	for (size_t i = 0; i < VEC_COUNT(instances, uint32_t) && !err; i++)
		err = garbage_search_at(s, VEC(instances, uint32_t)[i]);
	vec_free(&instances);
	return err;
}

int garbage_order(const struct heap *heap, const uint32_t *parent,
		  const struct progress *progress, struct vec *order)
{
	struct search s = { .heap = heap, .parent = parent, .order = order };
	int err = vec_alloc(&s.seen, ((size_t)heap->objects / 64 + 1) * sizeof(uint64_t));

	if (!err)
		err = garbage_search_instances(&s, progress);
	for (uint32_t o = 0; o < heap->objects && !err; o++)
		err = garbage_search_at(&s, o);
	vec_free(&s.seen);
	vec_free(&s.stack);
	return err;
}
