/* SPDX-License-Identifier: MIT */
/*
 * vec - growing arrays in their own mappings (vec.h).
 *
 * Capacity grows by half; pages never touched cost nothing, so generous steps
 * are free.  mremap moves page tables, not bytes.  Large ones ask for huge pages,
 * where the kernel gives them only to who asks (transparent_hugepage: madvise): a
 * sixth of the time of loading is page faults else, and the analysis reads at random.
 */
#include "viewer/model/vec.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define VEC_MIN 65536u
#define VEC_LARGE (4u << 20) /* a few huge pages of 2 MiB */

static size_t vec_round_up(size_t bytes)
{
	return (bytes + VEC_MIN - 1) & ~(size_t)(VEC_MIN - 1);
}

static int vec_grow(struct vec *vec, size_t capacity)
{
	void *data;

	assert(capacity > vec->capacity && capacity % VEC_MIN == 0);
	if (vec->capacity)
		data = mremap(vec->data, vec->capacity, capacity, MREMAP_MAYMOVE);
	else
		data = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	if (capacity >= VEC_LARGE) /* the whole mapping: mremap takes no two */
		(void)madvise(data, capacity, MADV_HUGEPAGE);
	/* borrowed from a file: take a copy before it changes */
	if (!vec->capacity && vec->size)
		memcpy(data, vec->data, vec->size);
	vec->data = data;
	vec->capacity = capacity;
	return 0;
}

int vec_reserve(struct vec *vec, size_t more)
{
	size_t need, want;

	if (__builtin_add_overflow(vec->size, more, &need) || need > SIZE_MAX / 4)
		return -ENOMEM;
	if (need <= vec->capacity)
		return 0;
	want = vec->capacity + vec->capacity / 2;
	return vec_grow(vec, vec_round_up(need > want ? need : want));
}

int vec_alloc(struct vec *vec, size_t bytes)
{
	int err = vec_reserve(vec, bytes ? bytes : 1);

	if (!err)
		vec->size = bytes;
	return err;
}

int vec_append(struct vec *vec, const void *data, size_t bytes)
{
	int err = vec_reserve(vec, bytes);

	assert(vec->capacity == 0 || vec->size <= vec->capacity);
	if (err)
		return err;
	if (data && bytes)
		memcpy((char *)vec->data + vec->size, data, bytes);
	else if (bytes)
		memset((char *)vec->data + vec->size, 0, bytes);
	vec->size += bytes;
	return 0;
}

void vec_trim(struct vec *vec)
{
	size_t capacity = vec_round_up(vec->size ? vec->size : 1);

	assert(vec->capacity == 0 || vec->size <= vec->capacity);
	if (vec->capacity > capacity &&
	    mremap(vec->data, vec->capacity, capacity, 0) != MAP_FAILED)
		vec->capacity = capacity;
}

void vec_free(struct vec *vec)
{
	if (vec->capacity)
		munmap(vec->data, vec->capacity);
	memset(vec, 0, sizeof(*vec));
}

void vec_move(struct vec *vec, struct vec *from)
{
	assert(vec != from);
	vec_free(vec);
	*vec = *from;
	memset(from, 0, sizeof(*from));
}
