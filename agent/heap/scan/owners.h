/* SPDX-License-Identifier: MIT */
/*
 * owners - who has chunks: objects, groups of objects that share, libraries.  They have
 * numbers from 1 on, which chunks.owner holds (memory/chunks.h).
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_OWNERS_H
#define PYMEM_AGENT_HEAP_SCAN_OWNERS_H

#include "agent/heap/core/context.h"

enum { OWNERS_LEVELS = 4 };

struct owner {
	uint64_t obj;	/* 0: a library */
	uint64_t first; /* its first chunk */
	uint64_t bytes, chunks;
	uint32_t sharers; /* 0: it alone */
	uint32_t last;	  /* of a group: the last owner that joined */
	uint32_t library; /* string id */
	uint8_t level;
};

struct owners {
	struct owner *list; /* list[0] unused */
	uint32_t count, capacity;
	uint32_t *index; /* number by hash of obj, 0 = free */
	uint32_t mask;
};

/* The number of a new one, 0: no memory, or too many. */
uint32_t owners_add(struct walk *w, struct owners *o, const struct owner *owner);
/* Makes those that there are findable by object; false: no memory. */
bool owners_index(struct walk *w, struct owners *o);
/* Is the C code of both objects' types of one library?  Only then does a reference tell
 * which is a part of the other: a connection that has a cache is no part of that. */
bool owners_related(struct walk *w, uint64_t a, uint64_t b);
/* The number of an object's, 0: it is none. */
uint32_t owners_find(const struct owners *o, uint64_t obj);

#endif
