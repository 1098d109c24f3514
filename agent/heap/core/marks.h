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
 * A leaf also tells which of its parts (256 KiB of addresses, one page of bitmap)
 * were marked in since a sweep last cleared that: the others need no look, and no
 * page of memory for their bits.
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
	MARKS_PART_WORDS = 512,
	MARKS_PARTS = MARKS_LEAF_WORDS / MARKS_PART_WORDS,
};

struct marks_leaf {
	uint64_t mark[MARKS_LEAF_WORDS];
	uint64_t done[MARKS_LEAF_WORDS];
	uint64_t pending[MARKS_PARTS / 64]; /* parts with new marks */
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
	uint32_t part = word / MARKS_PART_WORDS;

	leaf->pending[part / 64] |= 1ULL << (part % 64);
}

static inline bool marks_in_range(uint64_t addr)
{
	return addr >> CPU_ADDRESS_BITS == 0 && (addr & 7) == 0 && addr >= MARKS_LOWEST;
}

/* Sets addr's mark; true when it was not set before. */
static inline bool marks_set(struct marks *marks, uint64_t addr)
{
	struct marks_leaf *leaf;
	uint64_t bit, *word;
	uint32_t at;

	if (__builtin_expect(!marks_in_range(addr), 0))
		return false;
	leaf = marks->directory[addr >> MARKS_LEAF_SHIFT];
	if (__builtin_expect(!leaf, 0)) {
		leaf = marks_grow(marks, addr);
		if (!leaf)
			return false;
	}
	at = (addr >> 9) & (MARKS_LEAF_WORDS - 1);
	word = &leaf->mark[at];
	bit = 1ULL << ((addr >> 3) & 63);
	if (*word & bit)
		return false;
	*word |= bit;
	marks_pend(leaf, at);
	return true;
}

static inline bool marks_test(const struct marks *marks, uint64_t addr)
{
	const struct marks_leaf *leaf;

	if (!marks_in_range(addr))
		return false;
	leaf = marks->directory[addr >> MARKS_LEAF_SHIFT];
	return leaf &&
		leaf->mark[(addr >> 9) & (MARKS_LEAF_WORDS - 1)] >> ((addr >> 3) & 63) &
		1;
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
