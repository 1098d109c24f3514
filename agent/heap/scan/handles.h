/* SPDX-License-Identifier: MIT */
/*
 * handles - ints that are the address of memory.
 *
 * A library that is called through ctypes gives out pointers as ints, and who calls it
 * keeps those: the int is all that leads to the memory.  An int counts only if it is
 * where a chunk of malloc begins, to the byte, which no object has.
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_HANDLES_H
#define PYMEM_AGENT_HEAP_SCAN_HANDLES_H

#include "agent/heap/scan/leads.h"

/* Called with an int and the chunk that it leads to; arg is the caller's. */
typedef void handles_fn(struct walk *w, void *arg, uint64_t obj, const struct lead *lead);

/* All such ints of the copy, when all objects are known. */
void handles_each(struct walk *w, const struct chunks *c, handles_fn *visit, void *arg);

#endif
