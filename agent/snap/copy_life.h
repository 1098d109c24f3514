/* SPDX-License-Identifier: MIT */
/*
 * copy_life - what the copy does.
 *
 * A disposable process with one thread, or one more that writes (relay.h), and nobody
 * else's locks to wait for.  It uses system calls, its own mappings and reads of
 * memory; no libc state, no allocator, no call that needs a thread which does not exist
 * here.
 */
#ifndef PYMEM_AGENT_SNAP_COPY_LIFE_H
#define PYMEM_AGENT_SNAP_COPY_LIFE_H

#include "agent/snap/job.h"

/*
 * Address space set aside in the process for its copy, which unmaps it: where a limit
 * (RLIMIT_AS) is all used up, the copy must map its tables somewhere.
 */
struct copy_reserve {
	void *mem;
	size_t size;
};
extern struct copy_reserve copy_reserve;

/*
 * First code of the copy after the clone.  In order: die with the thread that
 * made us; close every inherited fd but ours (or peers of the application's
 * sockets, pipes, locks and epoll sets would wait for us); be the OOM killer's
 * first choice; leave the CPU to the application; our own handlers for fatal
 * signals and a watchdog; no core dumps; then walk.
 */
__attribute__((noreturn)) void copy_life_begin(struct job *job);

/* From the watchdog on: also for a copy that the loader made and holds. */
__attribute__((noreturn)) void copy_life_walk(struct job *job);

#endif
