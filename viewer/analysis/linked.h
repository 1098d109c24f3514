/* SPDX-License-Identifier: MIT */
/*
 * linked - objects that refer to one another, as a doubly linked list's do.
 *
 * Where both its ends are held, or it is a ring, no node of such a list dominates the
 * next: their holder dominates all of them, as it would the elements of a container.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_LINKED_H
#define PYMEM_VIEWER_ANALYSIS_LINKED_H

#include "viewer/analysis/analysis.h"

/*
 * Whether those of a type (a namesake, heap.h) that holder dominates are such a list:
 * nearly each refers to one or two others of them, and holder itself, or its __dict__, to
 * a few at most.  children: what holder dominates.
 */
bool linked_in_a_list(const struct analysis *analysis, uint32_t holder,
		      struct heap_span children, uint32_t type);

#endif
