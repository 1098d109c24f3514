/* SPDX-License-Identifier: MIT */
/*
 * vec - growing arrays in their own mappings.
 *
 * The model keeps arrays of up to gigabytes; malloc would neither give memory
 * back between phases nor grow without copying.  A vec is one anonymous
 * mapping, grown by mremap (no copy), zero-filled, released by munmap.  A vec
 * may also point into a mapped file (sidecar): then it is fixed and vec_free
 * leaves the memory alone.
 */
#ifndef PYMEM_VIEWER_MODEL_VEC_H
#define PYMEM_VIEWER_MODEL_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vec {
	void *data;
	size_t size;	 /* bytes in use */
	size_t capacity; /* bytes mapped; 0 = empty, or borrowed from a file */
};

/* Makes room for `more` bytes after size. 0 or -ENOMEM (vec unchanged). */
int vec_reserve(struct vec *vec, size_t more);
/* Exactly `bytes` zeroed bytes, size = bytes; vec must be empty. 0 or -ENOMEM. */
int vec_alloc(struct vec *vec, size_t bytes);
/* Appends; 0 or -ENOMEM. data may be NULL: zeroes. */
int vec_append(struct vec *vec, const void *data, size_t bytes);
/* Gives back what lies after size. */
void vec_trim(struct vec *vec);
/* Unmaps and zeroes the struct. Safe on an empty or borrowed vec. */
void vec_free(struct vec *vec);
/* vec takes over from's memory; vec's own is freed; from is left empty. */
void vec_move(struct vec *vec, struct vec *from);

/* The array as TYPE pointer, and its length in TYPEs. */
#define VEC(vec, TYPE) ((TYPE *)(vec).data)
#define VEC_COUNT(vec, TYPE) ((vec).size / sizeof(TYPE))

/* Appends one u32: the hot path of loading. 0 or -ENOMEM. */
static inline int vec_push_u32(struct vec *vec, uint32_t value)
{
	if (vec->size + sizeof(value) > vec->capacity) {
		int err = vec_reserve(vec, sizeof(value));
		if (err)
			return err;
	}
	*(uint32_t *)(void *)((char *)vec->data + vec->size) = value;
	vec->size += sizeof(value);
	return 0;
}

#endif
