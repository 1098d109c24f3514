/* SPDX-License-Identifier: MIT */
/*
 * receive - listens to an agent until its job is over.
 *
 * One poll loop over the control channel (messages of agent/start.h), the
 * stream (bytes of the snapshot, given to a part), the target's pidfd, a
 * descriptor that says "cancel", and the clock.  It never waits without a
 * limit: a deadline each for the first message, the GIL, the whole job, and
 * for the end after a cancel.
 *
 * The bytes of the stream are taken as fast as they come, whatever the viewer
 * or the terminal do: while they wait, the copy lives and the target pays.
 */
#ifndef PYMEM_LOADER_CAPTURE_RECEIVE_H
#define PYMEM_LOADER_CAPTURE_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/capture/headroom.h"
#include "loader/inject/inject.h"
#include "loader/output/part.h"

struct receive_options {
	uint64_t hello_ns;	 /* first message within this, 0 = 2 s */
	uint64_t gil_timeout_ns; /* GIL within this after the first message, 0 = 5 s */
	uint64_t timeout_ns;	 /* whole job, 0 = 600 s */
	uint64_t grace_ns;	 /* end after a cancel, 0 = 3 s */
	bool in_copy;  /* external: no GIL is waited for, end of file is the end */
	int cancel_fd; /* readable = cancel; -1 = none */
	const struct headroom_watch *watch; /* polled while the copy walks; NULL = not */
	/* Names the holder of the GIL when it isn't obtained; NULL = nobody asks. */
	void (*gil_holder)(pid_t pid, char *ret, size_t size);
	uint64_t headroom_min; /* bytes: below, the copy is killed */
	void (*progress)(void *arg, const char *phase, uint64_t objects, uint64_t bytes);
	void *progress_arg; /* progress: 10 times a second; NULL = nobody cares */
	void (*log)(void *arg, const char *line); /* NULL = no --debug */
	void *log_arg;
};

/* Why the loop ended early, when it did. */
enum receive_stop {
	RECEIVE_FINISHED = 0, /* the agent said DONE or FAILED, or hung up */
	RECEIVE_NO_HELLO,     /* the agent never spoke */
	RECEIVE_GIL,	      /* the GIL was not obtained in time */
	RECEIVE_TIMEOUT,      /* --timeout */
	RECEIVE_CANCELLED,    /* cancel_fd */
	RECEIVE_MEMORY,	      /* headroom_min */
	RECEIVE_OUTPUT,	      /* it could not be written; part->error says why */
	RECEIVE_STREAM,	      /* what came is no snapshot */
	RECEIVE_BROKEN,	      /* a channel could not be read; error says why */
	RECEIVE_FLOOD,	      /* more came than a process of its size has to tell */
};

struct receive_result {
	enum receive_stop stop;
	bool hello, forked, walked, done, failed, crashed, child;
	bool gone; /* the target ended, or became another program */
	bool idle; /* the agent said that its job is over: it may be ejected */
	uint64_t agent_version, worker_tid;
	uint64_t child_pid, gil_wait_ns, gil_held_ns, fork_ns;
	uint64_t objects, edges, walk_ns, child_dirty_bytes;
	int child_status; /* wait status of the copy, when child */
	uint32_t fail;	  /* enum pymem_fail, when failed */
	uint64_t fail_b;
	uint64_t crash_signal, crash_object, crash_address;
	char fail_text[512];  /* printable */
	char crash_type[512]; /* raw, for skip_types; NUL-terminated */
	char gil_holder[128]; /* at the time of the failure; printable, "" = unknown */
	char phase[128];      /* the last one heard of; printable */
	char doubt[256];      /* what the walk didn't know of the CPython; printable */
	int error;	      /* RECEIVE_BROKEN: an errno */
	uint64_t free_bytes;  /* RECEIVE_MEMORY: what was left */
	char where[600];      /* RECEIVE_MEMORY: of what */
};

/* part: begun (part_begin).  Never fails: the result says what happened. */
void receive_run(const struct injection *injection, struct part *part,
		 const struct receive_options *options, struct receive_result *ret);

#endif
