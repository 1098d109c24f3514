/* SPDX-License-Identifier: MIT */
/*
 * grandchild - the process that walks, beside the one the application will reap.
 *
 * Whoever reaps a process has its CPU time, its page faults and its peak of memory added
 * to its own RUSAGE_CHILDREN (kernel/exit.c, wait_task_zombie), and the worker has to
 * reap the copy.  So the copy itself does next to nothing: it starts the grandchild, a
 * process that shares its memory and is the child of the copy only.  As the copy ignores
 * SIGCHLD, the kernel reaps the grandchild without adding anything to anybody
 * (do_notify_parent).  At the end the grandchild gives back the memory, and the copy
 * resets the peak.  What is left in the application's RUSAGE_CHILDREN is the copy's own:
 * some milliseconds at most, and a few MiB of peak where no child had more.
 *
 * The grandchild dies with the copy (PR_SET_PDEATHSIG).
 */
#ifndef PYMEM_AGENT_SNAP_GRANDCHILD_H
#define PYMEM_AGENT_SNAP_GRANDCHILD_H

#include <stdbool.h>

/*
 * Runs walk(arg), which must end by grandchild_exit, in a grandchild, on the caller's
 * stack, and ends the copy as the grandchild ended (killed, if it was killed).  Returns
 * only when no grandchild can be had: -errno, nothing was run.  In the copy, all signals
 * blocked.
 */
int grandchild_run(void (*walk)(void *), void *arg);

/* Ends the grandchild, or the copy that walks itself, with that status, unless that was
 * done before: what happens after the first call changes nothing.  The watchdog must be
 * off. */
__attribute__((noreturn)) void grandchild_exit(int status);
/*
 * Unmaps all but the caller's stack, the thread's block and the agent itself, and makes
 * the kernel forget the peak: in a process whose memory is a copy.  After it nothing but
 * system calls is possible.
 */
void grandchild_give_back(void);
/* Has the kernel reap our children by itself, and adds nothing of theirs to ours; then
 * waits until none is left. */
void grandchild_ignore(void);
void grandchild_await(void);
/* grandchild_exit has been called: memory is going away, a fault means nothing. */
bool grandchild_ending(void);

#endif
