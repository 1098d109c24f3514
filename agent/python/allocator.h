/* SPDX-License-Identifier: MIT */
/*
 * allocator - the interpreter's memory allocators, replaced by our arena.
 *
 * For the few calls into the interpreter that may make a temporary object.  Uses
 * PyMem_SetAllocator, which has been there since 3.4.
 */
#ifndef PYMEM_AGENT_PYTHON_ALLOCATOR_H
#define PYMEM_AGENT_PYTHON_ALLOCATOR_H

#include "agent/base/arena.h"
#include "agent/python/cpython.h"

/* PyMemAllocatorEx (Include/cpython/pymem.h), the same in all versions. */
struct allocator_ex {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t n, size_t size);
	void *(*realloc)(void *ctx, void *ptr, size_t size);
	void (*free)(void *ctx, void *ptr);
};

struct allocator_swap {
	struct allocator_ex old;
	bool active;
};

/*
 * In place, GIL held: object allocations come from a scratch buffer until
 * allocator_leave, which puts the old allocator back.  Objects made in between
 * must not be used after.
 */
void allocator_enter(const struct cpython *py, struct allocator_swap *swap,
		     struct arena *arena);
void allocator_leave(const struct cpython *py, struct allocator_swap *swap);

/* In the copy: all allocators, for ever.  Freed memory is not used again. */
void allocator_replace(const struct cpython *py, struct arena *arena);

#endif
