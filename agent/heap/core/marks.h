/* SPDX-License-Identifier: MIT */
/*
 * marks - two radix bitmaps over addresses: which objects are known, and which
 * of them have been written.
 *
 *	directory   one pointer per 64 MiB of address space (2^21 of them, a lazily
 *	            populated mapping)
 *	leaf        bit per 8 bytes: 1 MiB `mark` + 1 MiB `done`, lazily populated,
 *	            so the memory used is about RSS/64 each
 *
 * Objects start at multiples of 8.  Bits in order are objects in address order.
 * A leaf also tells which of its words were marked in since a sweep last cleared that:
 * the others need no look, and no page of memory for their bits.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_MARKS_H
#define PYMEM_AGENT_HEAP_CORE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/cpu.h"

enum {
	MARKS_LEAF_SHIFT = 26, /* bytes of address space in a leaf: 64 MiB */
	MARKS_LEAF_WORDS = 1 << (MARKS_LEAF_SHIFT - 3 - 6),
	MARKS_DIRECTORY = 1 << (CPU_ADDRESS_BITS - MARKS_LEAF_SHIFT),
	MARKS_GROUPS = MARKS_LEAF_WORDS / 64, /* of words: 32 KiB of addresses each */
};

struct marks_leaf {
	uint64_t mark[MARKS_LEAF_WORDS];
	uint64_t done[MARKS_LEAF_WORDS];
	uint64_t pending[MARKS_GROUPS]; /* words with new marks */
};

struct marks {
	struct arena *arena;
	struct marks_leaf **directory;
	uint32_t *order; /* indexes of existing leaves, ascending */
	uint32_t count, capacity;
	bool failed; /* memory ran out: marks were lost */
};

/* Objects begin at no address below: the first page is never mapped. */
enum { MARKS_LOWEST = 4096 };

/* 0 or -ENOMEM. Everything belongs to the arena. */
int marks_init(struct marks *marks, struct arena *arena);
/* Slow path: the leaf of addr, made if absent; NULL when memory ran out. */
struct marks_leaf *marks_grow(struct marks *marks, uint64_t addr);

static inline void marks_pend(struct marks_leaf *leaf, uint32_t word)
{
	leaf->pending[word / 64] |= 1ULL << (word % 64);
}

/* May an object begin there?  A multiple of 8 in [MARKS_LOWEST, CPU_ADDRESS_END): one
 * comparison, for a wrong low bit is rotated to the top. */
static inline bool marks_in_range(uint64_t addr)
{
	const uint64_t from = addr - MARKS_LOWEST;

	return (from >> 3 | from << 61) < (CPU_ADDRESS_END - MARKS_LOWEST) >> 3;
}

/* Its place among all that may begin objects, in units of 8 bytes; of any other address
 * beyond MARKS_PLACES. */
#define MARKS_PLACES (CPU_ADDRESS_END >> 3)

static inline uint64_t marks_place(uint64_t addr)
{
	return addr >> 3 | addr << 61;
}

/* Is the mark of an address that is marks_in_range set in its leaf? */
static inline bool marks_is_set(const struct marks_leaf *leaf, uint64_t addr)
{
	return leaf->mark[(addr >> 9) & (MARKS_LEAF_WORDS - 1)] >> (addr >> 3 & 63) & 1;
}

/* Sets it. */
static inline void marks_add_to(struct marks_leaf *leaf, uint64_t addr)
{
	const uint32_t at = (addr >> 9) & (MARKS_LEAF_WORDS - 1);

	leaf->mark[at] |= 1ULL << (addr >> 3 & 63);
	marks_pend(leaf, at);
}

/* Sets addr's mark; true when it was not set before. */
static inline bool marks_set(struct marks *marks, uint64_t addr)
{
	struct marks_leaf *leaf;

	if (__builtin_expect(!marks_in_range(addr), 0))
		return false;
	leaf = marks->directory[addr >> MARKS_LEAF_SHIFT];
	if (__builtin_expect(!leaf, 0)) {
		leaf = marks_grow(marks, addr);
		if (!leaf)
			return false;
	}
	if (marks_is_set(leaf, addr))
		return false;
	marks_add_to(leaf, addr);
	return true;
}

static inline bool marks_test(const struct marks *marks, uint64_t addr)
{
	const struct marks_leaf *leaf;

	if (!marks_in_range(addr))
		return false;
	leaf = marks->directory[addr >> MARKS_LEAF_SHIFT];
	return leaf && marks_is_set(leaf, addr);
}

/* Says that no object begins at addr, but an array, table or buffer of one: a done bit
 * without a mark.  Where an object was found, nothing happens. */
static inline void marks_take(struct marks *marks, uint64_t addr)
{
	struct marks_leaf *leaf;

	if (!marks_in_range(addr))
		return;
	leaf = marks->directory[addr >> MARKS_LEAF_SHIFT];
	if (__builtin_expect(!leaf, 0))
		leaf = marks_grow(marks, addr);
	if (leaf && !marks_is_set(leaf, addr))
		leaf->done[(addr >> 9) & (MARKS_LEAF_WORDS - 1)] |= 1ULL
			<< (addr >> 3 & 63);
}

/* Sets addr's done bit (its mark too); true when it was not done before. */
static inline bool marks_set_done(struct marks *marks, uint64_t addr)
{
	struct marks_leaf *leaf;
	uint64_t bit, word;

	if (!marks_in_range(addr))
		return false;
	leaf = marks->directory[addr >> MARKS_LEAF_SHIFT];
	if (!leaf)
		leaf = marks_grow(marks, addr);
	if (!leaf)
		return false;
	word = (addr >> 9) & (MARKS_LEAF_WORDS - 1);
	bit = 1ULL << ((addr >> 3) & 63);
	leaf->mark[word] |= bit;
	if (leaf->done[word] & bit)
		return false;
	leaf->done[word] |= bit;
	return true;
}

#endif
