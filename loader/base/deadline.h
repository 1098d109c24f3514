/* SPDX-License-Identifier: MIT */
/*
 * deadline - a clock over the looks at a process that the kernel may keep waiting.
 *
 * What lies in memory or in a folder of the target's own file system (FUSE) is there
 * when the target pleases: a read of it can wait for ever, and no handler of a signal
 * gets a turn then.  A thread waits beside it.  When the time is over, or a second
 * after a byte has come by cancel_fd, it says so in one sentence and ends the process.
 * The time is one in which the look used no processor at all: on a machine that has too
 * few of them it goes on, slowly, for ten times as long at most.
 * Some waits end by that; where none does (warden.h), whoever waits for the process is
 * told by a byte.  So nothing may be traced, and no file half written, while a watch is
 * on.
 *
 * One at a time; a child that is forked meanwhile has none.
 */
#ifndef PYMEM_LOADER_BASE_DEADLINE_H
#define PYMEM_LOADER_BASE_DEADLINE_H

#include <sys/types.h>

/*
 * seconds: a limit that holds in any case, 0 = the longest; a shorter one is the time
 * without progress, too.  cancel_fd: as of inject_options, <= 0 = none.
 */
void deadline_begin(pid_t pid, unsigned seconds, int cancel_fd);
/* The same with both limits, in seconds: without progress, and with it. */
void deadline_begin_within(pid_t pid, unsigned idle, unsigned longest, int cancel_fd);
void deadline_end(void);

/* A byte, the exit status, goes there when a deadline ends the process; -1 = nowhere. */
void deadline_tell(int fd);

#define DEADLINE_SECONDS 30	     /* without progress */
#define DEADLINE_LONGEST_SECONDS 300 /* with it */

#endif
