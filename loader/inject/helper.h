/* SPDX-License-Identifier: MIT */
/*
 * helper - one piece of tracing work, done in a forked helper process.
 *
 * Why a process of its own: a ptrace attachment belongs to the thread that made
 * it, PTRACE_DETACH works only on a stopped tracee, and a tracee that hangs in
 * the kernel can't be detached at all; but when a tracer exits the kernel lets go
 * of everything it traced (ptrace(2), kernel/ptrace.c exit_ptrace).  So whatever
 * goes wrong, ending the helper sets the target free.
 *
 * The helper reports through a SOCK_SEQPACKET pair: log lines, and at last the
 * result with the file descriptors it made.  It blocks all signals: a Ctrl-C
 * meant for the loader must not end it in the middle.
 *
 * Every step of the protocol has a name: it's logged with its time, and tests have
 * loader or helper die or fail there (base/fault.h).
 */
#ifndef PYMEM_LOADER_INJECT_HELPER_H
#define PYMEM_LOADER_INJECT_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/inject/injection.h"
#include "loader/target/target.h"

/* What the helper gives back; plain data, sent as one packet. */
struct helper_result {
	int status; /* 0 or -1 */
	struct load_error error;
	bool control, stream, command; /* which fds follow, in this order */
	bool copy_ended; /* second result of an external one: the copy is gone */
	int copy_status; /* its wait status */
	struct injection injection;   /* numbers only */
	uint64_t region, region_size; /* what stays mapped in the target */
	int32_t remote_fd[3]; /* the target's control, command, stream; -1 = none */
	uint64_t remote_inode[3];
};

struct helper {
	const struct inject_options *options;
	const struct target *target;
	struct helper_result result;
	int channel;	  /* to the loader; in the loader: to the helper */
	int fds[3];	  /* to be handed over; -1 = none */
	pid_t process;	  /* in the loader */
	pid_t loader;	  /* in the helper */
	bool told;	  /* in the helper: to end; or the loader is gone */
	int lock;	  /* fd that both keep open, or -1 */
	uint64_t epoch;	  /* ns */
	uint64_t call_ns; /* in the helper: what a system call takes here, at least 1 */
	unsigned step, ordinal; /* ordinal: 1 brings in, 2 takes out */
	void *input;		/* the work's own parameters */
};

typedef int (*helper_work)(struct helper *h, struct load_error *err);

/*
 * Forks the helper, runs work there, waits at most timeout_ms for its result
 * (then the helper is killed).  0, or -1 with *err.  Afterwards helper->result
 * is filled and helper->fds are ours.  `stay`: the helper lives on after its
 * result (helper_finish ends it); otherwise it's reaped here.
 */
int helper_run(struct helper *h, helper_work work, unsigned timeout_ms, bool stay,
	       struct load_error *err);
/* In the helper: sends the result so far with the fds; work goes on. */
int helper_send(struct helper *h);
/* In the helper: has the loader gone or told us to end? Never blocks. */
bool helper_abandoned(struct helper *h);
/*
 * In the loader, for a helper that stayed: tells it to end, waits for at most
 * timeout_ms, kills it if need be.  True if its last result came (in
 * helper->result).
 */
bool helper_finish(struct helper *h, unsigned timeout_ms);

/* One step: 0, or -1 if a fault was ordered here (err filled). */
int helper_step(struct helper *h, struct load_error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A point between two kernel calls of a step: counted and named as a step is, but not
 * logged, and it can't fail. */
void helper_point(struct helper *h, const char *name);
void helper_log(struct helper *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
