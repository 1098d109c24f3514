/* SPDX-License-Identifier: MIT */
/*
 * malloc_arena - does a thread have a malloc arena of glibc's yet?
 *
 * The first malloc of a thread makes one, 64 MiB of address space that stay for ever,
 * and dlopen calls malloc: a thread that has one is the better one to borrow.
 *
 * glibc keeps the thread's arena in a thread-local pointer (malloc/arena.c
 * thread_arena), somewhere in the static TLS beside the thread pointer.  It points into
 * libc's data (main_arena) or to the start of a heap, which is aligned to
 * HEAP_MAX_SIZE (malloc/arena.c: 64 MiB where pointers have 64 bits), behind its
 * heap_info.  A malloc_state is recognised by its bins: circular list heads, most of
 * which are empty and point to themselves.
 */
#ifndef PYMEM_LOADER_TARGET_MALLOC_ARENA_H
#define PYMEM_LOADER_TARGET_MALLOC_ARENA_H

#include "loader/target/target.h"

/*
 * mem: /proc/PID/mem; thread_pointer: of the thread, which must be stopped.  True also
 * where it can't be told: another C library, another allocator.
 */
bool malloc_arena_present(const struct target *target, const struct memory *mem,
			  uint64_t thread_pointer);

#endif
