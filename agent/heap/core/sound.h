/* SPDX-License-Identifier: MIT */
/*
 * sound - tests whether a doubtful word is the address of an object.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_SOUND_H
#define PYMEM_AGENT_HEAP_CORE_SOUND_H

#include "agent/heap/core/context.h"

/*
 * Is this doubtful word the address of an object?  Aligned, in private readable
 * memory, sane refcount, its type a type by its own type, and for gc types a
 * consistent gc header.  Never faults.  May rarely say yes to stale memory.
 */
bool sound_object(struct walk *w, uint64_t addr);

/*
 * Is this word, found by chance or in what was found by chance, good to follow?
 * In the copy by all tests of sound_object().  In place, where a mistake would
 * be the target's, only if it is known already or proven by the collector's lists.
 */
bool sound_to_follow(struct walk *w, uint64_t addr);

/* Is this doubtful word the address of an object of exactly this type? */
bool sound_exact(struct walk *w, uint64_t word, uint64_t type);

#endif
