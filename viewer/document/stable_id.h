/* SPDX-License-Identifier: MIT */
/*
 * stable_id - a number for an object that it has in the next snapshot, too.
 *
 * Made from the object's address and its type's name, so that two exports of one process
 * can be compared.  Numbers are odd and have 32 bits, as Chrome's DevTools and memlab
 * want them; where two objects would have the same one the later in the order of
 * addresses gets another.  So of N objects, M of which came or went, about M * N / 2^31
 * are taken for others: none of 10,000, some five of a million when 10,000 changed.
 */
#ifndef PYMEM_VIEWER_DOCUMENT_STABLE_ID_H
#define PYMEM_VIEWER_DOCUMENT_STABLE_ID_H

#include "viewer/model/heap.h"

#define STABLE_ID_RESERVED 64u /* numbers below are nobody's: for fixed nodes */

struct stable_id {
	struct vec taken; /* u32 per slot, 0 = free */
	size_t mask;
	uint64_t *type;	    /* hash of each type's name */
	struct vec address; /* u64 per object */
	/* of what is no object: many (the frames of a recursion) have one name, and each
	 * goes on where the one before it found a number */
	struct vec other; /* struct stable_other per slot */
	size_t other_mask;
};

/* For as many numbers as the heap has nodes. 0 or -ENOMEM; free in any case. */
int stable_id_init(struct stable_id *s, const struct heap *heap);
void stable_id_free(struct stable_id *s);
/* A number for an object; ask for each once and in ascending order. */
uint32_t stable_id_object(struct stable_id *s, const struct heap *heap, uint32_t object);
/* A number for what is no object: from its name and any number. */
uint32_t stable_id_other(struct stable_id *s, const char *name, size_t size,
			 uint64_t number);

#endif
