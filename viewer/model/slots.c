/* SPDX-License-Identifier: MIT */
/* slots - see slots.h. */
#include "viewer/model/slots.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 256 /* entries of the smallest table, a power of two */ };

#define SLOTS_UNSORTED UINT32_MAX

struct slots_entry {
	uint32_t node; /* plus 1; 0: free */
	uint32_t at;   /* where its slots begin in `order` */
};

void slots_free(struct slots *s)
{
	vec_free(&s->entry);
	vec_free(&s->order);
	s->used = 0;
}

static struct slots_entry *slots_entry_of(const struct slots *s, uint32_t node)
{
	struct slots_entry *const entry = VEC(s->entry, struct slots_entry);
	const size_t mask = VEC_COUNT(s->entry, struct slots_entry) - 1;
	size_t i = (size_t)(node * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

	while (entry[i].node && entry[i].node != node + 1)
		i = (i + 1) & mask;
	return &entry[i];
}

/* Room for one more entry.  0 or -ENOMEM. */
static int slots_grow(struct slots *s)
{
	const struct slots grown = *s;
	const size_t count = VEC_COUNT(s->entry, struct slots_entry);
	int err;

	if (s->used * UINT64_C(2) < count)
		return 0;
	s->entry = (struct vec){ 0 };
	err = vec_alloc(&s->entry,
			(count ? 2 * count : SLOTS_FIRST) * sizeof(struct slots_entry));
	if (err) {
		s->entry = grown.entry;
		return err;
	}
	struct vec old = grown.entry;
	for (size_t i = 0; i < count; i++) {
		const struct slots_entry e = VEC(old, struct slots_entry)[i];

		if (e.node)
			*slots_entry_of(s, e.node - 1) = e;
	}
	vec_free(&old);
	return 0;
}

static int slots_compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Appends a node's slots in the order of targets, equal ones ascending. */
static int slots_sort(struct slots *s, const uint32_t *target, uint32_t count)
{
	struct vec pairs = { 0 };
	int err = vec_alloc(&pairs, count * sizeof(uint64_t));

	if (!err)
		err = vec_reserve(&s->order, count * sizeof(uint32_t));
	if (err) {
		vec_free(&pairs);
		return err;
	}
	uint64_t *const pair = pairs.data;
	for (uint32_t i = 0; i < count; i++)
		pair[i] = (uint64_t)target[i] << 32 | i;
	qsort(pair, count, sizeof(*pair), slots_compare);
	uint32_t *const order = VEC(s->order, uint32_t) + VEC_COUNT(s->order, uint32_t);
	for (uint32_t i = 0; i < count; i++)
		order[i] = (uint32_t)pair[i];
	s->order.size += count * sizeof(uint32_t);
	vec_free(&pairs);
	return 0;
}

/* The node's slots in order; NULL: not yet. */
static const uint32_t *slots_of(struct slots *s, uint32_t node, const uint32_t *target,
				uint32_t count)
{
	struct slots_entry *e;

	if (slots_grow(s))
		return NULL;
	e = slots_entry_of(s, node);
	if (!e->node) {
		*e = (struct slots_entry){ node + 1, SLOTS_UNSORTED };
		s->used++;
		return NULL;
	}
	if (e->at == SLOTS_UNSORTED) {
		if (s->order.size &&
		    VEC_COUNT(s->order, uint32_t) + (size_t)count > SLOTS_MOST) {
			slots_free(s);
			return NULL;
		}
		const uint32_t at = (uint32_t)VEC_COUNT(s->order, uint32_t);
		if (slots_sort(s, target, count))
			return NULL;
		e->at = at;
	}
	return VEC(s->order, uint32_t) + e->at;
}

bool slots_find(struct slots *s, uint32_t node, const uint32_t *target, uint32_t count,
		uint32_t from, uint32_t to, uint32_t *ret)
{
	const uint32_t *const order = slots_of(s, node, target, count);
	const uint64_t wanted = (uint64_t)to << 32 | from;
	uint32_t lo = 0, hi = count;

	if (!order)
		return false;
	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;

		if (((uint64_t)target[order[mid]] << 32 | order[mid]) < wanted)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret = lo < count && target[order[lo]] == to ? order[lo] : UINT32_MAX;
	return true;
}
