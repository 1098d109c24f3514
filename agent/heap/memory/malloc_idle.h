/* SPDX-License-Identifier: MIT */
/*
 * malloc_idle - chunks that were freed and that malloc's caches keep: their neighbours
 * take them for chunks in use.
 *
 *	tcache	   each thread's, in a chunk of its own (struct tcache_perthread_struct,
 *		   glibc 2.26 on): counts, then the heads of a list for each size
 *	fastbins   each arena's, in its malloc_state: ten lists right before the
 *		   pointer to the top chunk, by which it is found in the C library's
 *		   data
 *
 * Links are plain up to 2.31; later ones are XORed with their own address / 4096
 * (PROTECT_PTR).  Which it is, and whether such a structure is one at all, shows by
 * every link: it leads to a chunk in use of the list's size.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_MALLOC_IDLE_H
#define PYMEM_AGENT_HEAP_MEMORY_MALLOC_IDLE_H

#include "agent/heap/memory/chunks.h"

/* Marks them in the table as CHUNKS_IDLE. */
void malloc_idle_mark(struct walk *w, struct chunks *c);

#endif
