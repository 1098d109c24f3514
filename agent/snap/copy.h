/* SPDX-License-Identifier: MIT */
/*
 * copy - makes the copy-on-write copy, and reaps it.
 *
 * The raw clone system call with exit signal 0: no SIGCHLD, and wait(), waitpid(-1)
 * and waitid(P_ALL) of the application do not see the copy (only __WCLONE and
 * __WALL do); no atfork handler runs, no libc lock is taken.  CLONE_UNTRACED
 * keeps a debugger of the target from grabbing the copy.  Not clone3: container
 * seccomp profiles refuse it.
 *
 * What remains visible: the kernel adds the copy's CPU time and peak memory to
 * RUSAGE_CHILDREN when it is reaped (kernel/exit.c, wait_task_zombie).  There is no
 * way to reap without that, and not reaping would leave a zombie; so the copy has
 * another process do the work (grandchild.h) and has next to nothing to add.
 */
#ifndef PYMEM_AGENT_SNAP_COPY_H
#define PYMEM_AGENT_SNAP_COPY_H

#include "agent/snap/job.h"

/* The raw clone. In the parent: 0, job->copy and fork_ns set; -1 after FAILED. Does not
 * return in the copy. */
int copy_make(struct job *job);
/*
 * Reaps the copy, killing it on CANCEL; then lets go what gil_hold took.  0: it ended
 * well; 1: it saw that the moment was wrong, try again; -1: it has told how it failed.
 */
int copy_wait(struct job *job);

#endif
