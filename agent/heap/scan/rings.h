/* SPDX-License-Identifier: MIT */
/* rings - the collector's lists, where nobody knows where they begin. */
#ifndef PYMEM_AGENT_HEAP_SCAN_RINGS_H
#define PYMEM_AGENT_HEAP_SCAN_RINGS_H

#include "agent/heap/core/context.h"

/*
 * Marks every object on the collector's lists of which a member is met (LAYOUT_LISTS).
 * Of other lists an error tells: their objects are left to be found by reference.
 */
void rings_mark(struct walk *w);

#endif
