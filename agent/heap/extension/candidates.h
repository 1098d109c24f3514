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

struct candidates {
	uint64_t *list; /* addresses of objects, in no order */
	uint32_t count, capacity;
	bool full; /* there were more */
};

/* Has a type's instances noted, if they are such; after all else was decided of it. */
void candidates_plan(struct walk *w, struct walk_type *type);

/* Bytes of an instance that may hold pointers, from obj on. */
uint64_t candidates_body(const struct walk *w, const struct walk_type *type,
			 uint64_t obj);

#endif
