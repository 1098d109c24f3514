/* SPDX-License-Identifier: MIT */
/*
 * memory - the mappings of the target, and which of their pages hold objects.
 *
 * Read once before the sweeps from /proc/PID/smaps, by raw reads into the arena
 * (kernel: Documentation/filesystems/proc.rst).  In a forked copy PID is the
 * parent: there the resident set is the target's own, while the copy's page
 * tables lack the file pages.  Of anonymous memory that is corrected to what the copy
 * has: by then the target may have taken more.  While the copy lives, each anonymous
 * page of the parent has one sharer more, which lowers its proportional size;
 * memory_facts undoes that, exactly where all anonymous pages of a mapping have
 * equally many sharers (private memory, or a pool of forked workers).
 *
 * Live pages: the sweep reports every object and item array; a page that holds
 * any byte of one is marked in a two-level bitmap over the address space, one
 * bit for 4 KiB, a leaf covering 1 GiB.  Residency comes from /proc/PID/pagemap.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_MEMORY_H
#define PYMEM_AGENT_HEAP_MEMORY_MEMORY_H

#include "agent/heap/core/context.h"

enum {
	MEMORY_CACHE = 256,
	MEMORY_PAGES = 1024,
	MEMORY_GRAIN_SHIFT = 12, /* a bit of the bitmap: no page is smaller */
	MEMORY_SMALL = 512,	 /* SMALL_REQUEST_THRESHOLD, Objects/obmalloc.c */
};

struct memory_map {
	uint64_t start, end, offset;
	uint64_t rss, pss, anonymous, swap; /* bytes, as smaps says */
	uint64_t private_dirty, shared_dirty;
	uint64_t object_bytes[2]; /* [1]: in pieces that are pymalloc's, if it is used */
	uint32_t name;		  /* string id */
	uint8_t class_, perms;	  /* as in struct snap_map */
};

/* A page that is marked as live, and where the bytes of what lies in it are counted. */
struct memory_page {
	uint64_t page; /* address >> MEMORY_GRAIN_SHIFT; 0 = none */
	uint64_t *bytes;
};

struct memory {
	struct memory_map *maps; /* address order */
	size_t count, capacity;
	bool copied;				/* we are a copy: one sharer more */
	uint32_t pid;				/* whose these are, 0 = our own */
	struct memory_map *cache[MEMORY_CACHE]; /* by address >> 21 */
	uint64_t **leaves;			/* page bitmap by address >> 30 */
	struct malloc_pieces *pieces;		/* NULL: not looked for yet */
	struct chunks *chunks;			/* NULL: not made yet */
	struct memory_map nowhere;		/* takes what lies in no known mapping */
	struct memory_page pages[MEMORY_PAGES]; /* seen last, by page */
};

/* Before the sweeps: reads the mappings. Without memory: nothing will be known. */
void memory_begin(struct walk *w);

/* As memory_live, where the page wasn't seen lately or more than one is concerned. */
void memory_live_elsewhere(struct walk *w, uint64_t addr, uint64_t size);

/* Says that [addr, addr + size) is an object's, or its item array or table. */
static inline void memory_live(struct walk *w, uint64_t addr, uint64_t size)
{
	const uint64_t page = addr >> MEMORY_GRAIN_SHIFT;
	const struct memory_page *seen;

	if (__builtin_expect(!w->memory, 0))
		return;
	seen = &w->memory->pages[page % MEMORY_PAGES];
	if (__builtin_expect(seen->page == page &&
				     (addr + size - 1) >> MEMORY_GRAIN_SHIFT == page,
			     1))
		seen->bytes[size <= MEMORY_SMALL] += size;
	else
		memory_live_elsewhere(w, addr, size);
}

/* The same of an object, but for its bytes: returns where they are counted, as those of
 * all objects that begin in the same 4 KiB: [1] of at most MEMORY_SMALL; NULL:
 * nowhere. */
uint64_t *memory_live_in(struct walk *w, uint64_t addr, uint64_t size);

/* After the sweeps: emits the mappings and their sums; false: there are none. */
bool memory_facts(struct walk *w);

/* Does [addr, addr + size) hold (part of) a live object, as reported so far? */
bool memory_page_live(struct walk *w, uint64_t addr, uint64_t size);

/* addr, or the start of the next GiB if no live object is in the rest of its own. */
uint64_t memory_skip(struct walk *w, uint64_t addr);

/*
 * Says that addr is a thread's descriptor (pthread_t): its stack is the mapping that
 * ends just above, unless the kernel merged that with others.  Before memory_facts.
 */
void memory_note_stack(struct walk *w, uint64_t addr);

#endif
