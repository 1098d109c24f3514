/* SPDX-License-Identifier: MIT */
/* references - those of the object being emitted, in the order of its shape's labels. */
#ifndef PYMEM_AGENT_HEAP_CORE_REFERENCES_H
#define PYMEM_AGENT_HEAP_CORE_REFERENCES_H

#include "agent/heap/core/context.h"
#include "agent/heap/core/queue.h"

/* Room for more; on failure w->err is set and there is none. */
void references_make_room(struct walk *w);

/* Appends one (0: a label without an object). They are queued when the object is
 * complete. */
static inline void references_add(struct walk *w, uint64_t target)
{
	if (__builtin_expect(w->nrefs == w->refs_capacity, 0))
		references_make_room(w);
	if (w->nrefs < w->refs_capacity)
		w->refs[w->nrefs++] = target;
}

/*
 * All of them are the n words at `items`, in place; those that are 0 are absent.  A core
 * file may have them where no word can lie in place: they are copied.
 */
static inline void references_in_place(struct walk *w, uint64_t items, uint64_t n)
{
	if (n > UINT32_MAX)
		n = UINT32_MAX;
	w->refs_direct = peek_words(items, n);
	if (PEEK_IN_IMAGE && (uintptr_t)w->refs_direct % sizeof(*w->refs_direct)) {
		w->refs_direct = NULL;
		for (uint64_t i = 0; i < n && !w->err; i++)
			references_add(w, peek64(items + 8 * i));
		return;
	}
	w->nrefs = w->refs_direct ? (uint32_t)n : 0; /* none: no memory for them */
}

/*
 * Appends the references of obj that its own tp_traverse reports, but for those equal
 * (as a multiset) to what is there already and to the type when the instance owns it.
 * Obeys tp_is_gc and the skip list.
 */
void references_traverse(struct walk *w, struct walk_type *type, uint64_t obj);

/* The word of a slot in obj, unchecked; 0 where there is no such block. */
uint64_t references_slot(struct walk *w, const struct walk_slot *slot, uint64_t obj);
/* ... of a slot whose reference tp_traverse tells, without tag bits. */
uint64_t references_slot_traversed(struct walk *w, const struct walk_slot *slot,
				   uint64_t obj);

#endif
