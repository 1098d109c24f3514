/* SPDX-License-Identifier: MIT */
/* hash - see hash.h */
#include "agent/heap/object/hash.h"

#include <string.h>

static uint64_t hash_load64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t hash_load32(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The last 0..16 bytes as two words, read from both ends with overlap. */
static inline void hash_load_tail(const unsigned char *p, size_t size, uint64_t *a,
				  uint64_t *b)
{
	if (size >= 8) {
		*a = hash_load64(p);
		*b = hash_load64(p + size - 8);
	} else if (size >= 4) {
		*a = hash_load32(p);
		*b = hash_load32(p + size - 4);
	} else if (size > 0) {
		*a = (uint64_t)p[0] << 16 | (uint64_t)p[size >> 1] << 8 | p[size - 1];
		*b = 0;
	} else {
		*a = 0;
		*b = 0;
	}
}

uint64_t hash_content(uint64_t seed, const void *data, size_t size)
{
	const unsigned char *p = data;
	size_t left = size;
	uint64_t state, other, a, b;

	if (size <= 16) { /* then the two states are alike */
		hash_load_tail(p, size, &a, &b);
		return hash_words(seed, a, b, size);
	}
	state = hash_fold(seed ^ HASH_K0, HASH_K1);
	other = state ^ HASH_K2;
	while (left > 32) {
		state = hash_fold(hash_load64(p) ^ HASH_K1, hash_load64(p + 8) ^ state);
		other = hash_fold(hash_load64(p + 16) ^ HASH_K2,
				  hash_load64(p + 24) ^ other);
		p += 32;
		left -= 32;
	}
	if (left > 16) {
		state = hash_fold(hash_load64(p) ^ HASH_K1, hash_load64(p + 8) ^ state);
		p += 16;
		left -= 16;
	}
	hash_load_tail(p, left, &a, &b);
	return hash_end(seed, state ^ other, a, b, size);
}
