/* SPDX-License-Identifier: MIT */
/*
 * interpreters - the interpreters of the process and their thread states.
 *
 * Asked of CPython's own functions, which only follow linked lists and read fields:
 * safe in a copy and under the GIL.  In an image they can't be called; there the one
 * who made it says (interpreters_image).
 */
#ifndef PYMEM_AGENT_PYTHON_INTERPRETERS_H
#define PYMEM_AGENT_PYTHON_INTERPRETERS_H

#include "agent/python/cpython.h"

enum { INTERPRETERS_GIVEN = 256, INTERPRETERS_THREADS = 16384 };

/* What the functions said in the process of which an image is. */
struct interpreters_image {
	uint64_t main, current, modules; /* 0 = there is none */
	uint64_t interps[INTERPRETERS_GIVEN];
	uint32_t count, nthreads;
	uint64_t threads[INTERPRETERS_THREADS]; /* thread states, interpreter by */
	uint8_t owner[INTERPRETERS_THREADS];	/* interpreter: index in interps */
};

/* The main interpreter's state. */
uint64_t interpreters_main(const struct cpython *py);
/* All of them, the newest first; 0 = no more. */
uint64_t interpreters_first(const struct cpython *py);
uint64_t interpreters_next(const struct cpython *py, uint64_t interp);
/* Its number, 0 for the main one. */
uint64_t interpreters_id(const struct cpython *py, uint64_t interp);
/* Bytes of an interpreter's state that there are at least. */
uint64_t interpreters_size(const struct cpython *py);
/* Thread states of an interpreter; 0 = no more. */
uint64_t interpreters_thread(const struct cpython *py, uint64_t interp);
uint64_t interpreters_next_thread(const struct cpython *py, uint64_t tstate);
/* The calling thread's own state, 0 = it has none (up to 3.11: nobody has the GIL). */
uint64_t interpreters_current(const struct cpython *py);
/* sys.modules of the calling thread, which must have a thread state. */
uint64_t interpreters_modules(const struct cpython *py);

#endif
