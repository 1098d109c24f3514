/* SPDX-License-Identifier: MIT */
/*
 * thread_start - what a thread was started with: the function and its arguments, which
 * belong to a record of C for as long as the thread runs.
 *
 * Nothing leads to the record but the C stack of the thread: the function that runs it
 * keeps its address in a register, which what it calls saves there.  So the oldest part
 * of the stack is looked through for a word that leads to
 *
 *	interpreter or thread state, function, arguments (a tuple), keywords (a dict or 0)
 *
 * which is how all releases have it: struct bootstate of Modules/_threadmodule.c, with
 * the interpreter's state up to 3.11 and the thread's from 3.12 on.  musl and glibc keep
 * what pthread_self tells above the stack, with the thread's own variables between.
 */
#ifndef PYMEM_AGENT_HEAP_ROOTS_THREAD_START_H
#define PYMEM_AGENT_HEAP_ROOTS_THREAD_START_H

#include "agent/heap/core/interps.h"

/* Emits them as roots of the thread with that id in the snapshot, marked as found by
 * chance, for the record was; of a thread that Python did not start nothing.  ident: as
 * pthread_self of that thread. */
void thread_start_emit(struct walk *w, const struct interp *interp, uint64_t tstate,
		       uint64_t ident, uint32_t thread);

#endif
