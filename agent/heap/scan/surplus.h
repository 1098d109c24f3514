/* SPDX-License-Identifier: MIT */
/*
 * surplus - what an object's own block has beyond the object's size.
 *
 * Some C types put more behind an object than its __sizeof__ tells: cffi's arrays lie in
 * the object, for one.  Where an object begins a chunk of malloc that is far larger than
 * the object, the rest of the chunk is its native memory.
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_SURPLUS_H
#define PYMEM_AGENT_HEAP_SCAN_SURPLUS_H

#include "agent/heap/core/context.h"

/* Of the chunk at addr, in which an object, or a table of one, begins; when all objects
 * are known, in a copy only.  Writes a buffer; returns its bytes, 0: none. */
uint64_t surplus_tell(struct walk *w, uint64_t addr);

#endif
