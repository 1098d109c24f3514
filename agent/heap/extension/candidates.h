/* SPDX-License-Identifier: MIT */
/*
 * candidates - objects that may own memory outside, which nothing tells about: the
 * instances of C types with fields that are no references we know.
 *
 * They are noted while they are written, if one of their words could be a pointer;
 * scan/inferred.h follows those when all objects are known.  In a copy only.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_CANDIDATES_H
#define PYMEM_AGENT_HEAP_EXTENSION_CANDIDATES_H

#include "agent/heap/core/context.h"

enum { CANDIDATES_TYPES = 4096 };

struct candidate {
	uint64_t obj;	/* address */
	uint64_t later; /* bit n: its nth word led to nothing that was known by then */
};

struct candidates {
	struct candidate *list; /* in no order */
	uint32_t count, capacity;
	bool full; /* there were more */
	/* by type id: so many instances had no field that holds an object which isn't
	 * told; UINT8_MAX: one did */
	uint8_t untold[CANDIDATES_TYPES];
	uint64_t holder; /* the last one that candidates_held named, and its name */
	uint32_t holder_name;
};

/* Has a type's instances noted, if they are such; after all else was decided of it. */
void candidates_plan(struct walk *w, struct walk_type *type);

/* Memory of an object, outside of it or in a field that tp_traverse leaves out, has a
 * word that leads to target: a conservative root whose name is the owner's address.  Not
 * where target needs no holder: immortal objects and types. */
void candidates_held(struct walk *w, uint64_t owner, uint64_t target);

/* When all objects are known: its words that lead to one which wasn't known when it was
 * written (what no collector tracks: a str) are told as candidates_held does. */
void candidates_later(struct walk *w, const struct candidate *candidate);

/* Bytes of an instance that may hold pointers, from obj on. */
uint64_t candidates_body(const struct walk *w, const struct walk_type *type,
			 uint64_t obj);

#endif
