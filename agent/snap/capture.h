/* SPDX-License-Identifier: MIT */
/*
 * capture - one snapshot of the process we are in, from HELLO to DONE.
 *
 *	capture_run	bind the interpreter, say hello
 *	  gil_with	find a moment when the heap is whole (gil.c)
 *	    copy_make	... and clone there: that is the whole pause
 *	  child_main	in the copy: close, guard, walk, stream, exit (child.c)
 *	  copy_wait	reap the copy, obey CANCEL, say how it ended
 *
 * In place (PYMEM_START_NO_FORK) the walk itself runs at that moment, with the
 * GIL held.  It then trusts every tp_traverse as much as the interpreter's own
 * collector does, which calls them all: there is no copy to lose.
 *
 * Nothing here allocates from the target's allocators.  A capture runs on one
 * thread, which may be lost in the middle of it (CPython ends a thread that asks
 * for the GIL of a finalizing interpreter): whoever started it cleans up in a
 * thread-exit hook, see worker.h.
 */
#ifndef PYMEM_AGENT_SNAP_CAPTURE_H
#define PYMEM_AGENT_SNAP_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/python/binding.h"
#include "agent/snap/control.h"
#include "agent/snap/stream.h"
#include "agent/start.h"

enum capture_context {
	CAPTURE_WORKER,	 /* a thread of our own, without the GIL */
	CAPTURE_HOLDING, /* the calling thread holds the GIL */
	CAPTURE_IN_COPY, /* the only thread of a frozen copy */
};

struct capture {
	const struct pymem_start *start;
	enum capture_context context;
	struct cpython *py;
	struct control control;
	struct stream stream;
	int pid;			       /* of the process being captured */
	int copy;			       /* pid of the copy, 0 = none */
	int status;			       /* wait status of the copy, once reaped */
	const volatile uint64_t *must_be_zero; /* checked by the copy, see gil.c */
	uint64_t gil_wait_ns, gil_held_ns, fork_ns;
	uint64_t gil_holder;  /* thread state that held the GIL when we asked for it, as
				 * own_gil_holder says */
	unsigned not_stopped; /* interpreters that run while we act, own_gil.h */
	uint32_t failed;      /* enum pymem_fail, 0 = none so far */
	bool stand_still;     /* keep the interpreter still until the copy has ended: a
				 * pause of the walk, where memory has no room for what
				 * the application would write meanwhile */
	bool held;	      /* gil_hold took the GIL ... */
	bool held_lonely;     /* ... or, in 3.6 before it has one, the main thread */
	int hold_state;
	void (*waiting)(struct capture *c); /* called while the copy walks; NULL = not */
};

/* How the copy ends when it has nothing to say by message. */
enum { CAPTURE_EXIT_OK = 0, CAPTURE_EXIT_FAILED = 1, CAPTURE_EXIT_AGAIN = 113 };

/* Takes over the fds named in start, which must stay valid until capture_close. */
void capture_open(struct capture *c, const struct pymem_start *start,
		  enum capture_context context);
/* The whole capture; every outcome is told through the control channel. 0, or -1 when
 * there is no whole snapshot in the stream. */
int capture_run(struct capture *c);
/* Says DONE: whoever hears it may ask for the next capture at once. */
void capture_done(const struct capture *c);
/* Closes the channels. */
void capture_close(struct capture *c);

/* Sends FAILED and remembers that; returns -1. */
int capture_fail(struct capture *c, uint32_t reason, int64_t errno_value,
		 const char *sentence);

/* ---- parts, used by gil.c ---- */

/* The raw clone. In the parent: 0, c->copy and fork_ns set; -1 after FAILED. Does not
 * return in the copy. */
int copy_make(struct capture *c);
/*
 * Reaps the copy, killing it on CANCEL.  0: it ended well or told how it failed;
 * 1: it saw that the moment was wrong, try again.
 */
int copy_wait(struct capture *c);

#endif
