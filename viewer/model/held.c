/* SPDX-License-Identifier: MIT */
/* held - see held.h. */
#include "viewer/model/held.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool held_is(const struct heap *heap, const struct snap_root *root)
{
	return root->kind == SNAP_ROOT_OTHER && root->flags & SNAP_ROOT_CONSERVATIVE &&
		!strncmp(heap_string(heap, root->name, NULL), "0x", 2);
}

/* The two ends of a reference that is believed; false: it is not. */
static bool held_resolve(const struct heap *heap, const struct snap_root *root,
			 const uint32_t *indegree, uint32_t *owner_ret,
			 uint32_t *target_ret)
{
	const uint32_t target = heap_find(heap, root->target);
	const uint32_t owner =
		heap_find(heap, strtoull(heap_string(heap, root->name, NULL), NULL, 16));

	*owner_ret = owner;
	*target_ret = target;
	return owner != HEAP_NONE && target != HEAP_NONE && owner != target &&
		!(heap_class_of(heap, target)->flags & SNAP_OBJ_IMMORTAL) &&
		heap_refcount(heap, target) > indegree[target];
}

static int held_compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* ret: owner << 32 | target, ascending. */
static int held_collect(const struct heap *heap, const struct vec *roots,
			uint32_t *indegree, struct vec *ret)
{
	const struct snap_root *root = roots->data;
	uint32_t owner, target;

	for (size_t i = 0; i < VEC_COUNT(*roots, struct snap_root); i++) {
		if (!held_is(heap, &root[i]) ||
		    !held_resolve(heap, &root[i], indegree, &owner, &target))
			continue;
		const uint64_t pair = (uint64_t)owner << 32 | target;

		indegree[target]++;
		if (vec_append(ret, &pair, sizeof(pair)))
			return -ENOMEM;
	}
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, uint64_t), sizeof(uint64_t),
		      held_compare);
	return 0;
}

/* Absent references before those that follow, so that no label of the shape is theirs. */
static uint32_t held_padding(const struct heap *heap, uint32_t owner, uint32_t count)
{
	const uint32_t fixed =
		VEC(heap->shape, struct heap_shape)[heap_class_of(heap, owner)->shape]
			.nfixed;

	return count < fixed ? fixed - count : 0;
}

struct held_rows {
	struct vec target, row, row_base; /* as the heap's */
	uint64_t at, base;
	size_t pair, weak; /* the next ones */
};

/* One object's references, and what it holds besides. */
static int held_copy(struct heap *heap, struct held_rows *r, uint32_t object,
		     const struct vec *pairs)
{
	const uint64_t from = heap_row(heap, object), end = heap_row(heap, object + 1);
	const uint64_t *pair = pairs->data;
	uint64_t *weak = heap->weak_slot.data;
	uint32_t *target = r->target.data;

	for (; r->weak < VEC_COUNT(heap->weak_slot, uint64_t) && weak[r->weak] < end;
	     r->weak++)
		weak[r->weak] += r->at - from;
	for (uint64_t s = from; s < end; s++)
		target[r->at++] = VEC(heap->target, uint32_t)[s];
	if (r->pair >= VEC_COUNT(*pairs, uint64_t) || pair[r->pair] >> 32 != object)
		return 0;
	for (uint32_t n = held_padding(heap, object, (uint32_t)(end - from)); n; n--)
		target[r->at++] = HEAP_ABSENT;
	for (; r->pair < VEC_COUNT(*pairs, uint64_t) && pair[r->pair] >> 32 == object;
	     r->pair++) {
		if (vec_append(&heap->held_slot, &r->at, sizeof(r->at)))
			return -ENOMEM;
		target[r->at++] = (uint32_t)pair[r->pair];
	}
	return r->at - r->base > UINT32_MAX ? -EFBIG : 0;
}

/* Slots that the pairs take, with what goes before them. */
static uint64_t held_slots(const struct heap *heap, const struct vec *pairs)
{
	const uint64_t *pair = pairs->data;
	uint64_t slots = VEC_COUNT(*pairs, uint64_t);

	for (size_t i = 0; i < VEC_COUNT(*pairs, uint64_t); i++) {
		const uint32_t owner = (uint32_t)(pair[i] >> 32);

		if (!i || pair[i - 1] >> 32 != owner)
			slots += held_padding(heap, owner, heap_refs(heap, owner).count);
	}
	return slots;
}

static int held_append(struct heap *heap, const struct vec *pairs, struct held_rows *r)
{
	const uint64_t slots = heap->slots + held_slots(heap, pairs);
	int err = 0;

	if (vec_alloc(&r->target, slots * sizeof(uint32_t)) ||
	    vec_alloc(&r->row, heap->row.size) ||
	    vec_alloc(&r->row_base, heap->row_base.size))
		return -ENOMEM;
	for (uint32_t o = 0; o <= heap->objects && !err; o++) {
		if ((o & 0xffff) == 0)
			VEC(r->row_base, uint64_t)[o >> 16] = r->base = r->at;
		VEC(r->row, uint32_t)[o] = (uint32_t)(r->at - r->base);
		if (o < heap->objects)
			err = held_copy(heap, r, o, pairs);
	}
	if (err)
		return err;
	assert(r->at == slots && r->pair == VEC_COUNT(*pairs, uint64_t));
	vec_move(&heap->target, &r->target);
	vec_move(&heap->row, &r->row);
	vec_move(&heap->row_base, &r->row_base);
	heap->slots = slots;
	heap->edges += VEC_COUNT(*pairs, uint64_t);
	return 0;
}

int held_build(struct heap *heap, const struct vec *roots, uint32_t *indegree)
{
	struct vec pairs = { 0 };
	struct held_rows rows = { 0 };
	int err = held_collect(heap, roots, indegree, &pairs);

	if (!err && pairs.size)
		err = held_append(heap, &pairs, &rows);
	vec_free(&rows.target);
	vec_free(&rows.row);
	vec_free(&rows.row_base);
	vec_free(&pairs);
	return err;
}
