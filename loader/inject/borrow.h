/* SPDX-License-Identifier: MIT */
/* borrow - finds a thread of the target that can be borrowed, and stops it. */
#ifndef PYMEM_LOADER_INJECT_BORROW_H
#define PYMEM_LOADER_INJECT_BORROW_H

#include "loader/inject/safepoint.h"

typedef enum safepoint (*borrow_judge)(const struct tracee *tracee);
/* Of a thread at a safe place: 0, or -1 with *err, which is for good (its filters: none
 * is ever taken off). */
typedef int (*borrow_permit)(struct tracee *tracee, void *context,
			     struct load_error *err);

struct borrow {
	borrow_judge judge;
	borrow_permit permit;
	void *context;	     /* for permit */
	bool stopped_too;    /* also a process that is stopped (SIGSTOP, Ctrl-Z) */
	bool allocates;	     /* the calls will: a thread with a malloc arena is better */
	bool cancellable;    /* given up when the loader says so, or is gone */
	unsigned max_tries;  /* 0 = as many as the time allows */
	unsigned tries;	     /* out: threads looked at */
	uint64_t stopped_ns; /* out: how long refused threads were stopped */
	enum safepoint last; /* out: why the last one was refused */
};

/*
 * Tries one thread after the other, best first, at most options->safe_point_ms long; a
 * refused one is let go at once, and not tried again where permit refused it.  0: *tracee
 * is stopped and saved.  -1 with *err: what permit said of the first if it refused all,
 * LOAD_E_NO_SAFE_POINT, LOAD_E_STATE (stopped, or none answers)...
 */
int borrow_thread(struct helper *helper, struct borrow *borrow, struct tracee *tracee,
		  struct load_error *err);
/*
 * Gives a thread back: to an event stop, everything restored, detached; adds to
 * stopped_ns.  Returns status and leaves *err alone, unless that was 0 and the thread
 * could not be put back: then -1 with *err.
 */
int borrow_give_back(struct tracee *tracee, int status, struct load_error *err);

#endif
