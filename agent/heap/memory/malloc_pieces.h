/* SPDX-License-Identifier: MIT */
/*
 * malloc_pieces - where glibc's malloc has its chunks.
 *
 * A chunk (struct malloc_chunk, malloc/malloc.c): 8 bytes of the previous one's
 * size or data, then its own size, whose low bits mean 1 = the previous chunk is
 * in use, 2 = mmapped, 4 = not of the main arena.  Chunks follow one another
 * without gaps up to the top chunk, which ends where the piece ends:
 *  main	[heap], however many mappings the kernel makes of it (in a forked child
 *		the part that grew since is one of its own); where that can't grow,
 *		further pieces from mmap, which end in two fenceposts
 *  arena	heaps aligned to 64 MiB that begin with heap_info {arena, previous
 *		heap, size, ...}; the first heap of an arena has its malloc_state in
 *		it, so the first chunk is found as the one whose chain ends exactly
 *		at the end of the heap (malloc/arena.c)
 *  mapped	pages that begin with a chunk of its own, marked so, of whole pages
 *
 * A piece counts only if its whole chain is sound; nothing is read of pages that
 * are not in memory.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_MALLOC_PIECES_H
#define PYMEM_AGENT_HEAP_MEMORY_MALLOC_PIECES_H

#include "agent/heap/core/context.h"

enum malloc_kind { MALLOC_MAIN, MALLOC_ARENA, MALLOC_MAPPED };

enum {
	MALLOC_PREV_INUSE = 1,
	MALLOC_IS_MMAPPED = 2,
	MALLOC_FLAGS = 7,
	MALLOC_CHUNK_MIN = 32,
	MALLOC_HEAD = 16, /* from a chunk to what its user gets */
};

struct malloc_piece {
	uint64_t start, end; /* the first chunk; where the last one ends */
	uint64_t top;	     /* MAIN, ARENA: the last chunk */
	uint64_t state; /* ARENA: its malloc_state, in the arena's first heap; else 0 */
	uint8_t kind;	/* enum malloc_kind */
};

struct malloc_pieces {
	struct malloc_piece *list; /* ascending */
	uint32_t count, capacity;
	bool main_known; /* [heap] was understood */
	uint64_t used, used_bytes, free, free_bytes, top_bytes;
	uint64_t arenas, mapped, mapped_bytes;
};

/*
 * Finds them, once: only in a copy, where no thread allocates meanwhile, after
 * memory_begin.  NULL: not in a copy, its mappings are not known, or no memory.  Owned by
 * the walk.
 */
const struct malloc_pieces *malloc_pieces_find(struct walk *w);

/* Bytes of the chunk at `chunk`, with its head. */
static inline uint64_t malloc_pieces_size(uint64_t chunk)
{
	return peek64(chunk + 8) & ~(uint64_t)MALLOC_FLAGS;
}

/* Calls visit for each chunk in use, those that caches keep among them, in order of
 * addresses: chunk is where its head is, size is with that. */
typedef void malloc_pieces_fn(struct walk *w, void *arg, uint64_t chunk, uint64_t size);
void malloc_pieces_visit(struct walk *w, malloc_pieces_fn *visit, void *arg);

#endif
