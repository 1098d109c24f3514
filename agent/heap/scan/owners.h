/* SPDX-License-Identifier: MIT */
/*
 * owners - who has chunks: objects, groups of objects that share, libraries.  They have
 * numbers from 1 on, which chunks.owner holds (memory/chunks.h).
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_OWNERS_H
#define PYMEM_AGENT_HEAP_SCAN_OWNERS_H

#include "agent/heap/core/context.h"

enum { OWNERS_LEVELS = 4, OWNERS_RANKS = 4, OWNERS_TYPES = 1024 };

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
	uint32_t types;
	uint64_t sample[OWNERS_TYPES]; /* an owner of each type, [0] unused */
};

/* The number of a new one, 0: no memory, or too many. */
uint32_t owners_add(struct walk *w, struct owners *o, const struct owner *owner);
/* A candidate becomes one; false: no memory, or too many. */
bool owners_add_object(struct walk *w, struct owners *o, uint64_t obj);
/* Works out the levels of those that there are and the ranks of their types
 * (scan/inferred.h); false: no memory. */
bool owners_order(struct walk *w, struct owners *o);
/* Does what it has hold no pointers (enum specialist_memory)? */
bool owners_is_flat(struct walk *w, const struct owner *owner);

#endif
