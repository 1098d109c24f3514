/* SPDX-License-Identifier: MIT */
/* malloc_figures - what a malloc that isn't the C library's says of itself. */
#ifndef PYMEM_AGENT_HEAP_MEMORY_MALLOC_FIGURES_H
#define PYMEM_AGENT_HEAP_MEMORY_MALLOC_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

enum { MALLOC_FIGURES_CLASSES = 320 };
#define MALLOC_FIGURES_UNKNOWN UINT64_MAX /* of any of them: it doesn't tell */

/* Blocks of `size` bytes; free: in pages in use, or in caches. */
struct malloc_figures_class {
	uint64_t size, used, free;
};

/* Plain data: the answer of a process apart. */
struct malloc_figures {
	uint64_t function[3]; /* of the allocator, to be asked; 0 = none */
	char version[64];     /* "": not told */
	bool known;
	uint64_t used, used_bytes; /* blocks given out, with what cached_bytes counts */
	uint64_t cached_bytes;	   /* of used_bytes: threads' caches have them */
	uint64_t free_bytes;	   /* free blocks in pages in use, and in caches */
	uint64_t idle_bytes;	   /* whole pages kept for later, in memory */
	uint64_t own_bytes;	   /* its own tables */
	uint64_t retained_bytes;   /* addresses kept, whose memory was given back */
	uint32_t classes;
	struct malloc_figures_class class_[MALLOC_FIGURES_CLASSES];
};

/* Adds blocks of a size; ignored when there is no room. */
void malloc_figures_add(struct malloc_figures *m, uint64_t size, uint64_t used,
			uint64_t free);

#endif
