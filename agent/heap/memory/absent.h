/* SPDX-License-Identifier: MIT */
/* absent - tells which private memory isn't there, as seen when the walk began. */
#ifndef PYMEM_AGENT_HEAP_MEMORY_ABSENT_H
#define PYMEM_AGENT_HEAP_MEMORY_ABSENT_H

#include "agent/heap/core/context.h"

/*
 * Emits it, in order of addresses, but for small gaps.  Facts:
 *  absent.known	1: what isn't told of anonymous memory is resident or swapped out
 *  absent.bytes	bytes that aren't there
 */
void absent_emit(struct walk *w);

#endif
