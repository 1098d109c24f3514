/* SPDX-License-Identifier: MIT */
/*
 * capturer - takes snapshots for an assistant's server, which may start nothing itself.
 *
 * A child that is made before the server reads anything and gives up its rights.  It
 * knows the processes that the user allowed (--allow-capture), by pidfd: another one
 * with the same number is not meant.  It is told which of them, runs pymem-load for it,
 * and hands the finished file over, open.  That is all that whoever has the server in
 * his hands can have of it.
 *
 * One a program; not for concurrent use.
 */
#ifndef PYMEM_VIEWER_MCP_CAPTURER_H
#define PYMEM_VIEWER_MCP_CAPTURER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CAPTURER_PIDS = 64 };

struct capturer_answer {
	int result;	     /* 0, or a negative errno: no file was made */
	char file[PATH_MAX]; /* where it is */
	char said[1000];     /* what pymem-load said, as it is: not printable yet */
};

/* Starts it.  0, or a negative errno: then *wrong_ret is the pid of which there is no
 * process, or 0. */
int capturer_start(const pid_t *pids, size_t count, pid_t *wrong_ret);
/* The processes that are allowed; 0: it was not started. */
size_t capturer_allowed(const pid_t **ret);
/*
 * A snapshot of that process, one of the allowed, which takes as long as it takes.  Its
 * descriptor, to be closed; -1 with the reason in *ret: -ESRCH when the process has
 * ended, -ENOENT when pymem-load was not found, -EPIPE when the child is gone, others as
 * said by pymem-load.
 */
int capturer_take(pid_t pid, struct capturer_answer *ret);

#endif
