/* SPDX-License-Identifier: MIT */
/*
 * job - what one capture is: its configuration, its channels, and what is known of it
 * so far.  Everything in snap/ acts on one; nothing here acts.
 *
 * A job runs on one thread, which may be lost in the middle of it (CPython ends a thread
 * that asks for the GIL of a finalizing interpreter): whoever opened it closes it, in a
 * thread-exit hook if need be (worker.h).
 */
#ifndef PYMEM_AGENT_SNAP_JOB_H
#define PYMEM_AGENT_SNAP_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/python/binding.h"
#include "agent/snap/control_channel.h"
#include "agent/snap/stream.h"
#include "agent/start.h"

enum job_context {
	JOB_WORKER,   /* a thread of our own, without the GIL */
	JOB_HOLDING,  /* the calling thread holds the GIL */
	JOB_EXTERNAL, /* the only thread of a frozen copy */
};

struct job {
	const struct pymem_start *start;
	enum job_context context;
	struct cpython *py;
	struct control_channel control;
	struct stream stream;
	int pid;			       /* of the process being captured */
	int task;			       /* a thread of it that outlives the copy */
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
	bool summary;	      /* in place: a list of what the collector tracks, no more */
	bool held;	      /* gil_hold took the GIL ... */
	bool held_unthreaded; /* ... or, in 3.6 before it has one, the main thread */
	int hold_state;
	struct pages *forked; /* pages that a fork left to share, see forked.h; NULL: not
				 * known */
	struct arena forked_arena;
	void (*waiting)(struct job *job); /* called while the copy walks; NULL = not */
};

/* How the copy ends when it has nothing to say by message. */
enum { JOB_EXIT_OK = 0, JOB_EXIT_FAILED = 1, JOB_EXIT_AGAIN = 113 };

/* Takes over the fds named in start, which must stay valid until job_close. */
void job_open(struct job *job, const struct pymem_start *start, enum job_context context);
/* Says DONE: whoever hears it may ask for the next capture at once. */
void job_done(const struct job *job);
/* Closes the channels. */
void job_close(struct job *job);

/* Sends FAILED and remembers that; returns -1. Async-signal-safe. */
int job_fail(struct job *job, uint32_t reason, int64_t errno_value, const char *sentence);

#endif
