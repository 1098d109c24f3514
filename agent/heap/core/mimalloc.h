/* SPDX-License-Identifier: MIT */
/*
 * mimalloc - the memory of free-threaded CPython's allocator, read from its own
 * bookkeeping (Objects/mimalloc/, Include/internal/mimalloc/mimalloc/types.h).
 *
 *	segment	32 MiB, or more for one large block, at a multiple of 32 MiB.  Begins
 *		with its description and a table of its slices
 *	slice	64 KiB.  One or more are a page
 *	page	blocks of one size and of one heap: a tag says which heap.  Its record is
 *		the entry of its first slice: how many blocks it has given out so far,
 *		and three lists of free ones
 *
 * Each thread has heaps of its own, and pages outlive their thread.  We need none of
 * that: segments are looked for in all of the process's memory, by what they look like,
 * so that no page of any thread, living or dead, is missed.  Where the table begins
 * and how long an entry is, which builds and versions differ in, is found by trying
 * it on the segment of an object that is known: its slices must follow each other
 * without a gap to the last one, and the object must be a block.  A segment carries a
 * cookie made of its address and a secret of the process: the same secret must come
 * out of all of them.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_MIMALLOC_H
#define PYMEM_AGENT_HEAP_CORE_MIMALLOC_H

#include "agent/heap/core/context.h"

/* Which heap a page is of (Include/internal/pycore_mimalloc.h). */
enum mimalloc_tag {
	MIMALLOC_MEMORY,     /* PyMem_Malloc: tables, arrays, buffers */
	MIMALLOC_OBJECTS,    /* objects that the collector does not know */
	MIMALLOC_COLLECTED,  /* ... that it does */
	MIMALLOC_PRE_HEADER, /* ... with two words before them */
};

struct mimalloc_page {
	uint64_t record;       /* address of what the rest was read from */
	uint64_t start, block; /* address of the first block, bytes of each */
	uint32_t blocks;       /* given out so far, free ones included */
	uint32_t used;	       /* as the allocator counts: with those freed by others */
	uint64_t lists[3];     /* first blocks of the lists of free ones */
	uint64_t keys[2];      /* how these are encoded, in debug builds; else 0 */
	uint8_t tag;	       /* enum mimalloc_tag */
};

/* Finds the segments.  Does nothing where there is a GIL; w->mimalloc stays NULL where
 * none is found. */
void mimalloc_begin(struct walk *w);

typedef void mimalloc_page_fn(struct walk *w, const struct mimalloc_page *page,
			      void *arg);
/* Calls fn with each page that has given out blocks, in order of addresses. */
void mimalloc_pages(struct walk *w, mimalloc_page_fn *fn, void *arg);

typedef void mimalloc_block_fn(struct walk *w, const struct mimalloc_page *page,
			       uint64_t block, void *arg);
/* Calls fn with each block of a page that is in use; returns how many these are. */
uint32_t mimalloc_blocks(struct walk *w, const struct mimalloc_page *page,
			 mimalloc_block_fn *fn, void *arg);

/* Bytes of a block before the object in it: what the debug allocator puts there, and
 * what instances of some types have before them. */
uint32_t mimalloc_before(const struct walk *w, const struct mimalloc_page *page);

/* The block in use that addr is in: its address, its page in *ret; 0: none. */
uint64_t mimalloc_block_at(struct walk *w, uint64_t addr, struct mimalloc_page *ret);

/* Is obj where an object that the collector knows must be: in a block in use of such a
 * heap, as far from its beginning as objects are?  True where nothing is known. */
bool mimalloc_holds_collected(struct walk *w, uint64_t obj);

/* A run of slices of a segment. */
struct mimalloc_span {
	uint64_t start, end;
	bool own;	 /* the segment's description */
	bool is_page;	 /* a page that has given out blocks; else free */
	uint32_t live;	 /* ... of which so many are in use */
	uint64_t block;	 /* ... bytes of each */
	uint32_t blocks; /* ... given out so far, free ones included */
};

typedef void mimalloc_span_fn(struct walk *w, const struct mimalloc_span *span,
			      void *arg);
/*
 * Finds the segments of another mimalloc than the interpreter's, a library's (2.x), of
 * which no block is known: by pages whose blocks in use and free ones are as many as were
 * given out.  Calls fn with every span; false: there are none.
 */
bool mimalloc_of_library(struct walk *w, mimalloc_span_fn *fn, void *arg);

/* Segments found. */
uint32_t mimalloc_segments(const struct walk *w);

#endif
