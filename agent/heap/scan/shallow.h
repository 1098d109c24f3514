/* SPDX-License-Identifier: MIT */
/*
 * shallow - a list of what the collector tracks, and of what only one of those holds, for
 * a process that has no memory left.
 *
 * A walk marks what it has seen, which takes a thirty-second of what is resident.  This
 * takes nothing but the types' records: it goes along the collector's lists and writes
 * each object with its type, size and reference count, without references, values, roots.
 * What is on no list (numbers, strings, bytes; containers of such) has one holder if its
 * reference count is 1, and is written with that; what several hold isn't told, for who
 * would know that it was told already.  So it is no whole snapshot: no END is written
 * (SNAPSHOT.md, "truncated").  The interpreter stands still.
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_SHALLOW_H
#define PYMEM_AGENT_HEAP_SCAN_SHALLOW_H

#include "agent/heap/core/context.h"

/* Writes them, in the lists' order. Without a GIL there are no lists: an error event. */
void shallow_list(struct walk *w);

#endif
