/* SPDX-License-Identifier: MIT */
/* shared - tells which pages a fork left to share, as noted before the copy was made. */
#ifndef PYMEM_AGENT_HEAP_MEMORY_SHARED_H
#define PYMEM_AGENT_HEAP_MEMORY_SHARED_H

#include "agent/heap/core/context.h"

/*
 * Emits them, in order of addresses.  Facts:
 *  shared.known	1: what isn't told is the process's own
 *  shared.bytes	bytes in such pages
 */
void shared_emit(struct walk *w);

#endif
