/* SPDX-License-Identifier: MIT */
/*
 * worker - a thread of our own in somebody else's process, that leaves nothing
 * behind.
 *
 *  - detached, all signals blocked from its first instruction (the application's
 *    handlers never run on it), ordinary scheduling and every CPU allowed
 *    whatever the creating thread had;
 *  - on a stack given by the loader or mapped by us, never one of libc's, which
 *    it would keep in a cache after the thread;
 *  - it shares the malloc arena of the creating thread (libc_arena.h);
 *  - when it ends, in whatever way (CPython ends a thread that asks for the GIL of a
 *    finalizing interpreter with pthread_exit), `over` is called on it last.
 */
#ifndef PYMEM_AGENT_BASE_WORKER_H
#define PYMEM_AGENT_BASE_WORKER_H

#include <stddef.h>

enum { WORKER_STACK = 1 << 20 };

struct worker {
	void (*run)(void *arg);
	void (*over)(void *arg); /* always called, on the ending thread; may be NULL */
	void *arg;
	void *stack; /* given by the loader; NULL: one of our own */
	size_t stack_size;
	void *own_stack;  /* mapped when first needed, and kept for the next thread */
	const char *name; /* of the thread, at most 15 characters */
	volatile int tid; /* of the running or last thread, set by itself */
	unsigned key;	  /* pthread_key_t: runs worker_exit; if keyed */
	int keyed;
	int made; /* the same, known once worker_start returns; 0: it is over */
};

/*
 * Starts the thread; *worker must stay valid until `over` has been called, and
 * the stack until the thread is gone.  Only pthread_create is called: fit for
 * a constructor under the loader's lock.  0 or a negative errno; -EBUSY: the
 * thread of an earlier start still exists.
 */
int worker_start(struct worker *worker);

/* Gives the own stack back, when the library is unloaded and the thread gone. */
void worker_unmap(struct worker *worker);

#endif
