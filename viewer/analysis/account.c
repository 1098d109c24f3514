/* SPDX-License-Identifier: MIT */
/*
 * account - a process's resident memory in a few parts (account.h).
 *
 * What a numpy array's size counts is its native memory here: it is taken from the
 * objects' part and given to that of its source, like what no size counts.
 */
#include "viewer/analysis/account.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/analysis/budget.h"

#define LEAST_PART 50u /* a part is at least one in so many of the whole */

struct owned {
	uint32_t source, type, example, owner;
	uint64_t bytes, counted; /* counted: of the bytes, in objects' sizes */
	uint64_t count;		 /* objects that have one alone */
	uint64_t sharers;	 /* the most that have one together */
};

static int account_by_owner(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static int account_by_object(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	const int order = account_by_owner(a, b);

	if (order)
		return order;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static int account_by_bytes(const void *a, const void *b)
{
	const struct account_part *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

/* Is it called by its owner's type, however it was found?  (describe_native_kind) */
static bool account_by_type(const struct heap *heap, const struct heap_native *native)
{
	const char *source = heap_string(heap, native->source, NULL);

	return !strcmp(source, "buffer") || !strcmp(source, "malloc");
}

/* Native nodes by source and the owner's type. A bytearray's or array's own bytes are an
 * object's for everybody. */
static int account_collect(const struct heap *heap, struct vec *owned)
{
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);
		bool counted = native->flags & HEAP_NATIVE_COUNTED;
		struct owned o = { .source = native->source,
				   .example = n,
				   .bytes = native->resident,
				   .owner = native->owner,
				   .count = native->owners == 1,
				   .sharers = native->owners,
				   .counted = counted ? native->resident : 0 };

		if (counted && heap_kind(heap, native->owner) != SNAP_KIND_OBJECT)
			continue;
		if (native->owner != HEAP_NONE && account_by_type(heap, native))
			o.source = 0;
		if (native->owner != HEAP_NONE)
			o.type = heap_type_of(heap, native->owner);
		if (vec_append(owned, &o, sizeof(o)))
			return -ENOMEM;
	}
	return 0;
}

/* Adds up equal ones; returns how many are left. */
static size_t account_merge(const struct heap *heap, struct vec *owned)
{
	struct owned *o = owned->data;
	size_t count = VEC_COUNT(*owned, struct owned), kept = 0;

	if (count)
		qsort(o, count, sizeof(*o), account_by_object);
	for (size_t i = 0; i < count; i++) {
		struct owned *const with = kept ? &o[kept - 1] : NULL;

		if (!with || account_by_owner(with, &o[i])) {
			o[kept++] = o[i];
			continue;
		}
		with->bytes += o[i].bytes;
		with->counted += o[i].counted;
		with->count += o[i].count && (!with->count || o[i].owner != with->owner);
		with->owner = o[i].owner;
		if (o[i].sharers > with->sharers)
			with->sharers = o[i].sharers;
	}
	for (size_t i = 0; i < kept; i++) {
		const uint64_t all = heap_type(heap, o[i].type)->count;

		if (o[i].sharers > o[i].count)
			o[i].count = o[i].sharers;
		if (o[i].type && o[i].count > all)
			o[i].count = all;
	}
	return kept;
}

static void account_add_budget(struct account *a, const struct budget *budget,
			       uint64_t sum[ACCOUNT_OTHER + 1])
{
	const struct budget_entry *e = budget->entries.data;

	for (size_t i = 0; i < VEC_COUNT(budget->entries, struct budget_entry); i++) {
		static const enum account_kind kinds[BUDGET_ITEM_COUNT] = {
			[BUDGET_OBJECTS] = ACCOUNT_OBJECTS,
			[BUDGET_NATIVE] = ACCOUNT_NATIVE,
			[BUDGET_POOL_FREE] = ACCOUNT_FREE,
			[BUDGET_ARENA_FREE] = ACCOUNT_FREE,
			[BUDGET_MALLOC_FREE] = ACCOUNT_FREE,
			[BUDGET_MALLOC_TOP] = ACCOUNT_FREE,
			[BUDGET_MALLOC_IDLE] = ACCOUNT_FREE,
			[BUDGET_MALLOC_OWN] = ACCOUNT_ROUNDING,
			[BUDGET_FRAMES] = ACCOUNT_FRAMES,
			[BUDGET_ROUNDING] = ACCOUNT_ROUNDING,
			[BUDGET_UNEXPLAINED] = ACCOUNT_UNEXPLAINED,
			[BUDGET_FILES] = ACCOUNT_CODE,
			[BUDGET_STACKS] = ACCOUNT_STACKS,
			[BUDGET_SHARED] = ACCOUNT_SHARED,
			[BUDGET_SPECIAL] = ACCOUNT_OTHER,
			[BUDGET_AGENT] = ACCOUNT_OTHER,
		};

		sum[kinds[e[i].item]] += e[i].size;
		if (e[i].item == BUDGET_MALLOC_FREE || e[i].item == BUDGET_MALLOC_TOP ||
		    e[i].item == BUDGET_MALLOC_IDLE)
			a->malloc_free += e[i].size;
	}
	a->rss = budget->rss;
	a->free = sum[ACCOUNT_FREE];
	a->unexplained = sum[ACCOUNT_UNEXPLAINED];
	a->shared = sum[ACCOUNT_SHARED];
}

/* All candidates, largest first. */
static int account_candidates(const struct account *a, const struct heap *heap,
			      struct vec *owned, uint64_t sum[ACCOUNT_OTHER + 1],
			      struct vec *ret)
{
	const struct owned *o = owned->data;
	size_t count = account_merge(heap, owned);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		uint64_t counted = o[i].counted < sum[ACCOUNT_OBJECTS] ?
			o[i].counted :
			sum[ACCOUNT_OBJECTS];
		uint64_t more = o[i].bytes - o[i].counted;
		struct account_part p = { ACCOUNT_NATIVE, o[i].example, counted,
					  o[i].count };

		more = more < sum[ACCOUNT_NATIVE] ? more : sum[ACCOUNT_NATIVE];
		sum[ACCOUNT_OBJECTS] -= counted;
		sum[ACCOUNT_NATIVE] -= more;
		p.bytes += more;
		err = vec_append(ret, &p, sizeof(p));
	}
	for (int k = ACCOUNT_OBJECTS; k < ACCOUNT_OTHER && !err; k++) {
		struct account_part p = { (enum account_kind)k, HEAP_NONE, sum[k], 0 };

		if (k == ACCOUNT_FREE)
			p.count = a->malloc_free;
		if (k == ACCOUNT_STACKS)
			p.count = heap->threads;
		if (k == ACCOUNT_FRAMES)
			p.count = VEC_COUNT(heap->frame, struct snap_frame);
		err = vec_append(ret, &p, sizeof(p));
	}
	if (!err)
		qsort(ret->data, VEC_COUNT(*ret, struct account_part),
		      sizeof(struct account_part), account_by_bytes);
	return err;
}

static void account_choose(struct account *a, const struct vec *candidates)
{
	const struct account_part *p = candidates->data;
	uint64_t left = a->rss;

	for (size_t i = 0; i < VEC_COUNT(*candidates, struct account_part) &&
	     a->parts + 1 < ACCOUNT_PARTS;
	     i++) {
		if (p[i].bytes < a->rss / LEAST_PART || !p[i].bytes)
			break;
		a->part[a->parts++] = p[i];
		left -= p[i].bytes;
	}
	assert(a->parts < sizeof(a->part) / sizeof(a->part[0]));
	if (left)
		a->part[a->parts++] = (struct account_part){ .kind = ACCOUNT_OTHER,
							     .example = HEAP_NONE,
							     .bytes = left };
}

int account_make(const struct heap *heap, struct account *ret)
{
	struct vec owned = { 0 }, candidates = { 0 };
	uint64_t sum[ACCOUNT_OTHER + 1] = { 0 };
	struct budget budget;
	int err = budget_make(heap, &budget);

	*ret = (struct account){ 0 };
	if (err)
		return err;
	account_add_budget(ret, &budget, sum);
	budget_free(&budget);
	if (ret->rss)
		err = account_collect(heap, &owned);
	if (!err && ret->rss)
		err = account_candidates(ret, heap, &owned, sum, &candidates);
	if (!err && ret->rss)
		account_choose(ret, &candidates);
	vec_free(&owned);
	vec_free(&candidates);
	return err;
}
