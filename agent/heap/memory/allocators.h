/* SPDX-License-Identifier: MIT */
/*
 * allocators - what the two allocators under Python hold and waste, read from
 * their own bookkeeping.  No call into them: in the copy a thread that no longer
 * exists may own any lock; another malloc than the C library's is asked in a process of
 * its own (foreign_malloc.h).  Facts are emitted only when the structures found are
 * consistent; an unknown allocator gives a text fact saying so.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_ALLOCATORS_H
#define PYMEM_AGENT_HEAP_MEMORY_ALLOCATORS_H

#include <stdint.h>

struct walk;

/* Called with n blocks of `size` bytes each, one after another; arg is the caller's. */
typedef void allocators_visit_fn(struct walk *w, void *arg, uint64_t block, uint64_t size,
				 uint64_t n);

/* The blocks that pymalloc has ever given out, pool by pool, as far as these are in
 * memory.  A block that was freed again begins with the next free one's address, or 0. */
void pymalloc_blocks(struct walk *w, allocators_visit_fn *visit, void *arg);
/* The block in use that addr is in, if that is in a pool in memory: its address,
 * its size in *size_ret; 0: none. */
uint64_t pymalloc_block_at(struct walk *w, uint64_t addr, uint64_t *size_ret);
/* Each larger block of glibc's malloc; in a copy only.  What its caches keep is among
 * them. */
void malloc_blocks(struct walk *w, allocators_visit_fn *visit, void *arg);

/*
 * pymalloc (Objects/obmalloc.c).  Pools are found by their headers in anonymous
 * memory, arenas through the table that pools index.  Facts:
 *  pymalloc.pools, .pool_size	pools in use, bytes of each
 *  pymalloc.arenas, .arena_size, .free_pools
 *  pymalloc.used_blocks, .used_bytes, .free_blocks, .free_bytes (in used pools)
 *  pymalloc.class.N.{used,free}	blocks of N bytes
 */
void pymalloc_facts(struct walk *w);

/*
 * mimalloc, instead of it in free-threaded builds (core/mimalloc.h).  Facts:
 *  mimalloc.segments, .pages	... that have given out blocks
 *  mimalloc.used_blocks, .used_bytes, .free_blocks, .free_bytes (in these pages)
 */
void mimalloc_facts(struct walk *w);

/*
 * glibc malloc (malloc/malloc.c, malloc/arena.c).  Facts:
 *  malloc.known		1: the figures below are complete as far as we can tell
 *  malloc.used_chunks, .used_bytes	including what tcache and fastbins keep
 *  malloc.cached_chunks, .cached_bytes	... and that alone
 *  malloc.known_chunks, .known_bytes	... objects, their tables and buffers
 *  malloc.inferred_bytes	... found to be an object's
 *  malloc.shared_bytes		... several objects'
 *  malloc.library_bytes	... only a library's variables lead to
 *  malloc.unowned_bytes	... nothing leads to (the last six by scan/inferred.h)
 *  malloc.free_chunks, .free_bytes	in bins
 *  malloc.top_bytes		never used yet, at the end of the arenas
 *  malloc.arenas, .mapped_chunks, .mapped_bytes
 *
 * Where malloc is jemalloc, tcmalloc or mimalloc instead, as far as that one tells:
 *  malloc.allocator		its name; malloc.version: what it says of its version
 *  malloc.known		1: these figures are its own; 0: malloc.note says why not
 *  malloc.used_chunks, .used_bytes	given out, what threads' caches keep (jemalloc's)
 *				among them, by the sizes of its classes
 *  malloc.cached_bytes		... and that alone
 *  malloc.free_bytes		free blocks in pages in use, and in caches (tcmalloc's)
 *  malloc.idle_bytes		whole pages kept for later, in memory
 *  malloc.own_bytes		its own tables
 *  malloc.retained_bytes	addresses kept, their memory given back
 *  malloc.class.N.{used,free}	blocks of N bytes
 */
void malloc_facts(struct walk *w);

#endif
