/* SPDX-License-Identifier: MIT */
/* enumerate - the collector's lists, walked from many places at once. */
#ifndef PYMEM_AGENT_HEAP_SCAN_ENUMERATE_H
#define PYMEM_AGENT_HEAP_SCAN_ENUMERATE_H

#include "agent/heap/core/context.h"

/* Marks every object on the collector's lists, and in w->frozen those of the
 * permanent generation.  Writes nothing to the lists. Failures: walk_error. */
void enumerate_lists(struct walk *w);

#endif
