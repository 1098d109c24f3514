/* SPDX-License-Identifier: MIT */
/*
 * budget - where the resident memory went, adding up to it exactly.
 *
 * Mappings by class come from smaps as they are.  Anonymous memory and the heap
 * are divided further: live objects by kind, native buffers, free memory inside the
 * allocators, and what nobody accounts for.  What is claimed but isn't resident is cut
 * off; `clipped` says how much.  Of native memory (a numpy array never touched) the
 * mapping it lies in tells; the rest (the unused end of malloc's arena) is cut to what is
 * left, in that order from the end.  Native memory in mapped files and in shared memory
 * is taken from those.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_BUDGET_H
#define PYMEM_VIEWER_ANALYSIS_BUDGET_H

#include "viewer/model/heap.h"

enum budget_item {
	BUDGET_OBJECTS,	    /* live objects on the heap, by kind: one entry per
				 * kind */
	BUDGET_NATIVE,	    /* native buffers that objects own */
	BUDGET_POOL_FREE,   /* free blocks in pymalloc's used pools */
	BUDGET_ARENA_FREE,  /* free pools inside pymalloc's arenas */
	BUDGET_MALLOC_FREE, /* free chunks in malloc's bins */
	BUDGET_MALLOC_TOP,  /* never used end of malloc's arenas */
	BUDGET_MALLOC_IDLE, /* whole pages that another malloc than glibc's keeps */
	BUDGET_MALLOC_OWN,  /* ... and its own tables */
	BUDGET_FRAMES,	    /* the stacks in which threads' Python frames lie */
	BUDGET_ROUNDING,    /* sizes rounded up, and allocators' heads */
	BUDGET_UNEXPLAINED, /* other C allocations */
	BUDGET_FILES,	    /* code, libraries and their data */
	BUDGET_STACKS,
	BUDGET_SHARED,
	BUDGET_SPECIAL,
	BUDGET_AGENT, /* pymem's own mappings */
	BUDGET_ITEM_COUNT
};

struct budget_entry {
	enum budget_item item;
	uint32_t kind;	      /* OBJECTS: enum snap_kind */
	uint64_t size, count; /* bytes; objects, buffers or mappings */
	uint64_t clipped;     /* claimed but not resident */
};

struct budget {
	uint64_t rss; /* sum of all entries' sizes; 0 = no mappings in the
				 * snapshot */
	uint64_t swap;
	struct vec entries; /* struct budget_entry */
};

/* 0 or -ENOMEM. Free with budget_free. */
int budget_make(const struct heap *heap, struct budget *ret);
void budget_free(struct budget *budget);
/* For people, e.g. "live objects: str". */
const char *budget_title(const struct budget_entry *entry);
/* For programs, e.g. "objects.str". Never changes. */
const char *budget_key(const struct budget_entry *entry);

#endif
