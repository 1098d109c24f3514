/* SPDX-License-Identifier: MIT */
/* jemalloc - what jemalloc says of itself. */
#ifndef PYMEM_AGENT_HEAP_MEMORY_JEMALLOC_H
#define PYMEM_AGENT_HEAP_MEMORY_JEMALLOC_H

/* Fills a struct malloc_figures by calls of its function[0], mallctl: in a process apart,
 * as it takes locks. */
void jemalloc_ask(void *figures);

#endif
