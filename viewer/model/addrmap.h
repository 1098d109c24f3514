/* SPDX-License-Identifier: MIT */
/*
 * addrmap - addresses to dense ids and back: a bitmap with ranks.
 *
 * Memory is cut into chunks of 1 MiB; a chunk that was met gets a number
 * (from 1) and 293 cache lines: in each, one 32-bit rank and 448 bits, a bit per
 * 8 bytes.  So a lookup touches one line, and an object costs about one byte at
 * CPython's densities instead of eight for its address.
 *
 * While loading, an address is kept "packed": chunk number << 17 | granule,
 * which fits 32 bits for 32 GiB of object memory (loading keeps the bits above
 * in a column that exists only when needed).  Packed 0 means no address.
 */
#ifndef PYMEM_VIEWER_MODEL_ADDRMAP_H
#define PYMEM_VIEWER_MODEL_ADDRMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "viewer/model/vec.h"

#define ADDRMAP_CHUNK_SHIFT 20
#define ADDRMAP_GRANULE_BITS 17 /* granules of 8 bytes in a chunk */
#define ADDRMAP_LINE_BITS 448u
#define ADDRMAP_LINES 293u	      /* lines of a chunk: 293 * 448 >= 2^17 */
#define ADDRMAP_MAX_CHUNKS (1u << 24) /* 16 TiB */

struct addrmap_line {
	uint32_t rank; /* objects at lower addresses; set by addrmap_rank */
	uint32_t pad;
	uint64_t bits[7];
};

struct addrmap_chunk {
	uint64_t number; /* address >> 20 */
	uint32_t rank;	 /* of its first object */
	uint32_t pad;
};

struct addrmap {
	struct vec lines;  /* struct addrmap_line, ADDRMAP_LINES per chunk number */
	struct vec chunks; /* struct addrmap_chunk by chunk number; [0] unused */
	struct vec order;  /* u32 chunk numbers by ascending address; after
				 * addrmap_rank */
	struct vec hash;   /* u32, open addressing, power of two; chunk number or
				 * 0 */
	uint32_t last;	   /* chunk of the last lookup while loading */
};

/* Packed form of an address, its chunk made when new. 0: not 8-byte aligned, or
 * the limits are reached. -ENOMEM in *err (left alone otherwise). */
uint64_t addrmap_pack(struct addrmap *map, uint64_t address, int *err);
/* Marks the packed address as an object's; false when it was already. */
bool addrmap_set(struct addrmap *map, uint64_t packed);
/* Computes ranks: once, when all objects are set. Returns 0 or -ENOMEM. */
int addrmap_rank(struct addrmap *map);

/* Id of the object at a packed address (after addrmap_rank); UINT32_MAX = none. */
static inline uint32_t addrmap_id(const struct addrmap *map, uint64_t packed)
{
	uint32_t granule = packed & ((1u << ADDRMAP_GRANULE_BITS) - 1);
	uint32_t line = granule / ADDRMAP_LINE_BITS, bit = granule % ADDRMAP_LINE_BITS;
	const struct addrmap_line *l = VEC(map->lines, struct addrmap_line) +
		(packed >> ADDRMAP_GRANULE_BITS) * ADDRMAP_LINES + line;
	uint64_t word = l->bits[bit >> 6], mask = 1ull << (bit & 63);

	if (!(word & mask))
		return UINT32_MAX;
	uint32_t rank = l->rank + (uint32_t)__builtin_popcountll(word & (mask - 1));
	for (uint32_t w = 0; w < bit >> 6; w++)
		rank += (uint32_t)__builtin_popcountll(l->bits[w]);
	return rank;
}

/* Object at exactly this address; UINT32_MAX = none. */
uint32_t addrmap_find(const struct addrmap *map, uint64_t address);
/* Address of an id < number of objects. */
uint64_t addrmap_address(const struct addrmap *map, uint32_t id);
/* The addresses of all, by id; count is how many there are. */
void addrmap_list(const struct addrmap *map, uint64_t *ret, uint32_t count);

#endif
