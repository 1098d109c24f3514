/* SPDX-License-Identifier: MIT */
/* mimalloc_library - what libmimalloc holds, read. */
#ifndef PYMEM_AGENT_HEAP_MEMORY_MIMALLOC_LIBRARY_H
#define PYMEM_AGENT_HEAP_MEMORY_MIMALLOC_LIBRARY_H

#include "agent/heap/core/context.h"

struct malloc_figures;

/* Fills the figures; known stays false: its segments were not found. */
void mimalloc_library_read(struct walk *w, struct malloc_figures *m);

#endif
