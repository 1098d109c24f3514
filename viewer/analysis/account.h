/* SPDX-License-Identifier: MIT */
/*
 * account - where a process's resident memory is, in a few parts that add up to it.
 *
 * The budget (budget.h) has all categories; this is its summary for one line: what
 * objects own outside by the way it was found and the owners' type, Python's objects,
 * what the allocators keep free, what nobody accounts for, code, shared memory,
 * the threads' stacks, the rest.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_ACCOUNT_H
#define PYMEM_VIEWER_ANALYSIS_ACCOUNT_H

#include "viewer/model/heap.h"

enum account_kind {
	ACCOUNT_NATIVE,	     /* owned by objects of one type */
	ACCOUNT_OBJECTS,     /* Python's objects */
	ACCOUNT_FREE,	     /* the allocators keep it */
	ACCOUNT_ROUNDING,    /* sizes rounded up, heads of the allocators */
	ACCOUNT_UNEXPLAINED, /* C allocations that no object is known to own */
	ACCOUNT_CODE,	     /* code, libraries and their data */
	ACCOUNT_SHARED,	     /* shared memory */
	ACCOUNT_STACKS,	     /* of threads, in C */
	ACCOUNT_FRAMES,	     /* of threads, in Python */
	ACCOUNT_OTHER,
};

struct account_part {
	enum account_kind kind;
	uint32_t example; /* NATIVE: a native node of it, else HEAP_NONE */
	uint64_t bytes;	  /* resident */
	uint64_t count;	  /* NATIVE: owners; FREE: of the bytes, malloc's;
			   * STACKS: threads; FRAMES: frames */
};

#define ACCOUNT_PARTS 5u

struct account {
	uint64_t rss; /* 0: the snapshot has no mappings; then there are no parts */
	struct account_part part[ACCOUNT_PARTS]; /* largest first, OTHER last */
	unsigned parts;
	uint64_t free, malloc_free, unexplained, shared; /* whether they are parts or
							  * not */
};

/* 0 or -ENOMEM. */
int account_make(const struct heap *heap, struct account *ret);

#endif
