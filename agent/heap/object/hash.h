/* SPDX-License-Identifier: MIT */
/*
 * hash - a keyed 64-bit hash of contents.
 *
 * Groups duplicates without storing them: equal contents of one capture have
 * equal hashes, and without the key (random, never stored) a hash says nothing
 * about the content.  Built from 64 x 64 -> 128 bit multiplications whose halves
 * are folded together, 32 bytes a step; not for hash tables under attack.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_HASH_H
#define PYMEM_AGENT_HEAP_OBJECT_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Hash of `size` bytes under `seed`.  Never 0: 0 means "no hash" in a snapshot. */
uint64_t hash_content(uint64_t seed, const void *data, size_t size);

/* Odd constants: binary digits of the square roots of 2, 3, 5 and 7. */
#define HASH_K0 0x6a09e667f3bcc909ull
#define HASH_K1 0xbb67ae8584caa73bull
#define HASH_K2 0x3c6ef372fe94f82bull
#define HASH_K3 0xa54ff53a5f1d36f1ull

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Ends a hash: state and the last two words of the content, its size in all. */
static inline uint64_t hash_end(uint64_t seed, uint64_t state, uint64_t a, uint64_t b,
				size_t size)
{
	const uint64_t hash = hash_fold(hash_fold(a ^ HASH_K1, b ^ state) ^ HASH_K3,
					size ^ seed ^ HASH_K2);

	return hash ? hash : 1;
}

/* What hash_content says of the `size` bytes, 8 to 16, whose first and last 8 these
 * are. */
static inline uint64_t hash_words(uint64_t seed, uint64_t a, uint64_t b, size_t size)
{
	return hash_end(seed, HASH_K2, a, b, size); /* as its two states are alike */
}

#endif
