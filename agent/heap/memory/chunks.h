/* SPDX-License-Identifier: MIT */
/*
 * chunks - a table of malloc's chunks in use: which one an address is in, and whose
 * it is.
 *
 *	leaf	64 MiB of address space: for each 4 KiB the number of the first
 *		chunk that begins there or later
 *	rows	by number, which is the order of addresses: where in its leaf a chunk
 *		begins, and a word for whoever works out owners (scan/owners.h)
 *
 * So a chunk costs 8 bytes here, and a leaf 64 KiB.  Addresses are what malloc gave
 * out, 16 behind a chunk's head.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_CHUNKS_H
#define PYMEM_AGENT_HEAP_MEMORY_CHUNKS_H

#include "agent/heap/core/context.h"
#include "agent/heap/memory/malloc_pieces.h"

enum {
	CHUNKS_LEAF_SHIFT = 26,
	CHUNKS_PAGE_SHIFT = 12,
	CHUNKS_PAGES = 1 << (CHUNKS_LEAF_SHIFT - CHUNKS_PAGE_SHIFT),
	CHUNKS_DIRECTORY = 1 << (CPU_ADDRESS_BITS - CHUNKS_LEAF_SHIFT),
	CHUNKS_MAX = 1 << 26, /* more are not looked at: half a GiB of tables */
};

/* What chunks.owner says but for numbers of owners (from 1 on). */
#define CHUNKS_NOBODY 0u
#define CHUNKS_KNOWN UINT32_MAX	     /* a Python object, its table, a known buffer */
#define CHUNKS_IDLE (UINT32_MAX - 1) /* freed: malloc's caches keep it */

struct chunks_leaf {
	uint64_t base;	/* address where the leaf begins */
	uint64_t over;	/* the chunk that begins before and reaches into it; 0: none */
	uint32_t first; /* number of the first chunk that begins in it */
	uint32_t end;	/* ... and of the first one beyond */
	uint32_t page[CHUNKS_PAGES + 1];
};

struct chunks {
	struct chunks_leaf **directory;
	uint32_t *order; /* indexes of the leaves, ascending */
	uint32_t leaves, count;
	uint32_t *at;	 /* (address - base) / 16 */
	uint32_t *owner; /* CHUNKS_* or a number of the caller's */
	uint64_t lowest, highest;
};

/*
 * The table, made once, idle chunks not yet marked (malloc_idle.h); NULL: malloc isn't
 * known, too many chunks, or no memory.
 */
struct chunks *chunks_make(struct walk *w);

/* The chunk that addr is in: its address, its number in *number_ret; 0: none. */
uint64_t chunks_find(const struct chunks *c, uint64_t addr, uint32_t *number_ret);

/* Bytes of a chunk that its user may use, and with what malloc adds. */
static inline uint64_t chunks_usable(uint64_t addr)
{
	const uint64_t word = peek64(addr - 8);

	return (word & ~(uint64_t)MALLOC_FLAGS) -
		(word & MALLOC_IS_MMAPPED ? MALLOC_HEAD : 8u);
}

static inline uint64_t chunks_size(uint64_t addr)
{
	return peek64(addr - 8) & ~(uint64_t)MALLOC_FLAGS;
}

/* Calls visit for each chunk in order of addresses. */
typedef void chunks_fn(struct walk *w, void *arg, uint64_t addr, uint32_t number);
void chunks_each(struct walk *w, const struct chunks *c, chunks_fn *visit, void *arg);

#endif
