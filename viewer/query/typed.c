/* SPDX-License-Identifier: MIT */
/* typed - see typed.h. */
#include "viewer/query/typed.h"

#include <assert.h>
#include <errno.h>

#include "viewer/query/gap.h"

void typed_free(struct typed *t)
{
	vec_free(&t->begin);
	vec_free(&t->count);
	vec_free(&t->gaps);
}

/* What the objects of each rank take: begin[rank + 1] bytes. */
static int typed_measure(const struct heap *heap, const uint32_t *rank, struct typed *t,
			 uint32_t *last, const struct progress *progress)
{
	const uint32_t *const klass = VEC(heap->klass, uint32_t);
	uint64_t *const bytes = VEC(t->begin, uint64_t) + 1;
	uint32_t *const count = VEC(t->count, uint32_t);

	for (uint32_t o = 0; o < heap->objects; o++) {
		const uint32_t r = rank[klass[o]];

		if (o % (16 * PROGRESS_EVERY) == 0 &&
		    progress_step(progress, "objects by type", o / 2, heap->objects))
			return -ECANCELED;
		bytes[r] += gap_size(o - last[r]);
		last[r] = o;
		count[r]++;
	}
	return 0;
}

/* begin[r] moves from where a rank's objects begin to where they end. */
static void typed_put(const struct heap *heap, const uint32_t *rank, struct typed *t,
		      uint32_t *last)
{
	const uint32_t *const klass = VEC(heap->klass, uint32_t);
	uint64_t *const at = VEC(t->begin, uint64_t);
	uint8_t *const gaps = VEC(t->gaps, uint8_t);

	for (uint32_t o = 0; o < heap->objects; o++) {
		const uint32_t r = rank[klass[o]];

		at[r] = (uint64_t)(gap_put(gaps + at[r], o - last[r]) - gaps);
		last[r] = o;
	}
}

int typed_build(struct typed *t, const struct heap *heap, const uint32_t *rank,
		uint32_t ranks, const struct progress *progress)
{
	struct vec last = { 0 };
	int err = vec_alloc(&last, ((size_t)ranks + 1) * 4);

	assert(!typed_is_built(t));
	if (!err)
		err = vec_alloc(&t->count, ((size_t)ranks + 1) * 4);
	if (!err)
		err = vec_alloc(&t->begin, ((size_t)ranks + 2) * 8);
	if (!err)
		err = typed_measure(heap, rank, t, last.data, progress);
	uint64_t *const begin = VEC(t->begin, uint64_t);
	for (uint32_t r = 0; r < ranks && !err; r++) {
		begin[r + 1] += begin[r];
		VEC(last, uint32_t)[r] = 0;
	}
	if (!err && begin[ranks])
		err = vec_alloc(&t->gaps, begin[ranks]);
	if (!err) {
		typed_put(heap, rank, t, last.data);
		for (uint32_t r = ranks; r > 0; r--)
			begin[r] = begin[r - 1];
		begin[0] = 0;
	}
	vec_free(&last);
	if (err)
		typed_free(t);
	return err;
}

int typed_list(const struct typed *t, uint32_t rank, struct vec *ret)
{
	const uint32_t count = VEC(t->count, uint32_t)[rank];
	const uint8_t *at = VEC(t->gaps, uint8_t) + VEC(t->begin, uint64_t)[rank];
	uint32_t object = 0;

	assert(rank + 1 < VEC_COUNT(t->begin, uint64_t));
	if (!count)
		return 0;
	if (vec_reserve(ret, (size_t)count * 4))
		return -ENOMEM;
	uint32_t *const list = (void *)((char *)ret->data + ret->size);
	for (uint32_t i = 0; i < count; i++)
		list[i] = object += gap_get(&at);
	ret->size += (size_t)count * 4;
	assert(at == VEC(t->gaps, uint8_t) + VEC(t->begin, uint64_t)[rank + 1]);
	return 0;
}
