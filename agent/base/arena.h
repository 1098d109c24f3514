/* SPDX-License-Identifier: MIT */
/*
 * arena - memory of our own inside the target: mmap, never malloc.
 *
 * A bump allocator over anonymous mappings plus a few large tables that map
 * themselves.  Used by the walk in the forked copy (where malloc's locks may be
 * owned by threads that do not exist any more) and in the in-place mode (where
 * the target's allocator must not be touched).  Single-threaded by contract.
 */
#ifndef PYMEM_AGENT_BASE_ARENA_H
#define PYMEM_AGENT_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
	char *pos, *end; /* free part of the current chunk */
	struct arena_chunk *chunks;
	size_t mapped; /* bytes mapped so far, for the report */
	size_t limit;  /* 0 = none; else arena_alloc fails beyond it */
};

/* limit: bytes, 0 = none. Maps nothing yet. */
void arena_init(struct arena *arena, size_t limit);
/* Zeroed memory aligned to 16, or NULL. Valid until arena_release. */
void *arena_alloc(struct arena *arena, size_t size);
/* A mapping of its own, for tables of many pages; counted; zeroed, lazily populated. */
void *arena_map(struct arena *arena, size_t size);
void arena_unmap(struct arena *arena, void *mem, size_t size);
/* Unmaps everything that arena_alloc and arena_map gave. */
void arena_release(struct arena *arena);

#endif
