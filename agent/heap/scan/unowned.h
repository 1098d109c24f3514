/* SPDX-License-Identifier: MIT */
/*
 * unowned - chunks of malloc that are no object's, in groups: by the library whose
 * variables lead to them, by what their first word points to (a C++ object begins with
 * its class's virtual table, many a C structure with a table of functions or its
 * description), and by size, to a power of two.
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_UNOWNED_H
#define PYMEM_AGENT_HEAP_SCAN_UNOWNED_H

#include <stdint.h>

struct walk;
struct unowned;

/* NULL: no memory. Owned by the walk. */
struct unowned *unowned_begin(struct walk *w);
/* The chunk at addr; library: string id, 0 = no variable leads to it. */
void unowned_add(struct walk *w, struct unowned *u, uint64_t addr, uint32_t library);
/* Writes the groups, the largest ones first, and facts. */
void unowned_finish(struct walk *w, struct unowned *u);

#endif
