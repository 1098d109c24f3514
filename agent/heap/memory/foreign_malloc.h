/* SPDX-License-Identifier: MIT */
/*
 * foreign_malloc - a malloc that isn't the C library's: which one it is, and what it says
 * of itself.
 *
 * It is the file whose malloc_usable_size the process would call (options.malloc_at);
 * which one, says a function that it exports.  jemalloc and tcmalloc are asked by such
 * functions.  They take the allocator's locks, which a thread may have held that the copy
 * lacks: so never in the process, and in the copy only by a process of its own
 * (options.apart).  mimalloc doesn't tell of other threads' memory; it is read.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_FOREIGN_MALLOC_H
#define PYMEM_AGENT_HEAP_MEMORY_FOREIGN_MALLOC_H

#include "agent/heap/core/context.h"

/* Emits its facts (allocators.h); false: malloc is the C library's, or not known. */
bool foreign_malloc_facts(struct walk *w);

#endif
