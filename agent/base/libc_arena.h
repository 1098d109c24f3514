/* SPDX-License-Identifier: MIT */
/*
 * libc_arena - keeps glibc from making a malloc arena for our thread.
 *
 * The first malloc of a thread (PyThreadState_New's, on ours) makes glibc map a
 * new arena, 64 MiB of address space which stay for ever and show in
 * /proc/PID/maps.  glibc keeps each thread's arena in a thread-local pointer; if
 * it is set, it is used.  So our thread borrows the arena of the thread that
 * loaded us: the pointer's place is found in that thread, and since it lies in
 * the static TLS block, it is at the same distance from the thread pointer in
 * every thread.
 *
 * Found how: a malloc_state is recognised by its bins: it holds 127 circular list
 * heads in a row, and most of them, being empty, point to themselves.  The TLS
 * block of libc is around errno; it must hold exactly one word that points to
 * such a structure.  All reads are checked (peek_safe).
 *
 * The pointer is reset before the thread ends, since its exit would count the
 * arena's threads down (arena_thread_freeres), and we never counted up.
 *
 * When any of this is not as described (another malloc, musl, a glibc of
 * tomorrow) nothing is done, and an arena may stay.
 *
 * Sources: malloc/arena.c, malloc/malloc.c of glibc 2.17 to 2.41.
 */
#ifndef PYMEM_AGENT_BASE_LIBC_ARENA_H
#define PYMEM_AGENT_BASE_LIBC_ARENA_H

#include <stdbool.h>

/* On the thread that loads us, where malloc may be called. True: the place is found. */
bool libc_arena_learn(void);
/* On our own thread, before its first malloc. */
void libc_arena_join(void);
/* On the same thread, after its last one. Harmless if it never joined. */
void libc_arena_leave(void);

#endif
