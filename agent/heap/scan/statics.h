/* SPDX-License-Identifier: MIT */
/* statics - C variables that hold Python objects. */
#ifndef PYMEM_AGENT_HEAP_SCAN_STATICS_H
#define PYMEM_AGENT_HEAP_SCAN_STATICS_H

#include "agent/heap/core/walk_internal.h"

/* Objects held by C variables of programs and libraries: roots, conservatively. */
void statics_scan(struct walk *w);

/*
 * Is this word, found by chance or in what was found by chance, good to follow?
 * In the copy by all tests of walk_is_object().  In place, where a mistake would
 * be the target's, only if it is known already or proven by the collector's lists.
 */
bool statics_good(struct walk *w, uint64_t addr);

#endif
