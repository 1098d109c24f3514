/* SPDX-License-Identifier: MIT */
/* leads - which words in memory lead to native memory whose owner is looked for. */
#ifndef PYMEM_AGENT_HEAP_SCAN_LEADS_H
#define PYMEM_AGENT_HEAP_SCAN_LEADS_H

#include "agent/heap/memory/chunks.h"

#define LEADS_BLOCK UINT32_MAX /* as number: not a chunk but a block of pymalloc */

struct lead {
	uint64_t addr, size; /* of what it leads into: all that may be used of it */
	uint64_t inside;     /* bytes from there to where it leads */
	uint32_t number;     /* of a chunk, or LEADS_BLOCK */
};

/* Called with each; arg is the caller's. */
typedef void leads_fn(struct walk *w, void *arg, const struct lead *lead);

/* The aligned words of [addr, addr + size), as far as they are in memory. */
void leads_scan(struct walk *w, const struct chunks *c, uint64_t addr, uint64_t size,
		leads_fn *visit, void *arg);
/* Tells of the objects that the aligned words of memory that an object has (0: none) lead
 * to (candidates_held); of what is large and begins without any, samples alone. */
void leads_held(struct walk *w, uint64_t owner, const struct lead *lead);
/* Is a lead that was found before still one: has a block been told to be taken since? */
bool leads_still(const struct walk *w, const struct lead *lead);
/* Does an object, or a table or buffer of one, begin in the chunk's first words? */
bool leads_chunk_known(const struct walk *w, uint64_t addr, uint64_t usable);
/* An allocator that aligns what malloc gave, and notes before it where that began
 * (OpenCV's fastMalloc, Eigen's handmade_aligned_malloc)? */
bool leads_is_aligned(const struct lead *lead);
/* How many of them are not 0, as far as leads_scan would look. */
uint64_t leads_words(struct walk *w, uint64_t addr, uint64_t size);
/* ... of an object, which is in memory. */
void leads_scan_object(struct walk *w, const struct chunks *c, uint64_t obj,
		       leads_fn *visit, void *arg);
/* Does a word of the object a hold the address of the object b? */
bool leads_refers(struct walk *w, uint64_t a, uint64_t b);

#endif
