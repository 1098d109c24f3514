/* SPDX-License-Identifier: MIT */
/*
 * threads - in which order to try a target's threads as the one to borrow.
 *
 * Looked up in /proc/PID/task/TID/{stat,syscall} before anything is stopped.
 * Best is a thread that waits where the kernel restarts the wait exactly and no
 * lock of the C library can be held by it; worst one in epoll_wait and the other
 * calls that an attach alone ends with EINTR.
 */
#ifndef PYMEM_LOADER_TARGET_THREADS_H
#define PYMEM_LOADER_TARGET_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/cpu/cpu.h"
#include "loader/target/target.h"

enum thread_rank {
	THREAD_WAITS_CONDITION, /* in a futex: GIL, condition, semaphore */
	THREAD_WAITS_INPUT,	/* poll, read, nanosleep, wait...: restarted exactly */
	THREAD_RUNS,		/* user code (or a short system call) */
	THREAD_WAITS_OTHER,	/* another system call */
	THREAD_INTERRUPTED,	/* epoll_wait and such: would see EINTR */
	THREAD_NEVER,		/* D, zombie, waits for a lock of the C library */
};

struct thread {
	pid_t tid;
	enum thread_rank rank;
	long syscall; /* its system call, -1 = none */
	char state;
	bool main;
};

#define THREADS_MAX 512

/* What a thread is blocked in; nr -1: in nothing, or it can't be seen. */
void threads_wait(pid_t pid, pid_t tid, struct cpu_wait *ret);
/* A thread that waits in vfork for what it made; 0 = there is none. */
pid_t threads_in_vfork(const struct target *target);
/* How often it gave up the CPU by itself (voluntary_ctxt_switches); UINT64_MAX - 1:
 * unknown, which is no other count plus one. */
uint64_t threads_sleeps(pid_t pid, pid_t tid);

/*
 * Fills list (best first, THREAD_NEVER left out) with at most THREADS_MAX
 * threads; returns the number, 0 if there is none, or a negative errno.  In a
 * confined target, waits that need restart_syscall rank behind: a filter may lack it.
 */
int threads_order(const struct target *target, struct thread list[THREADS_MAX]);
/*
 * Rank by system call number and arguments alone (nr -1: in user code).  cancellable:
 * calls_waits_cancellable.
 */
enum thread_rank threads_rank(long nr, const unsigned long long arg[6], bool seccomp,
			      bool cancellable);
/* A wait without time limit that an attach ends with EINTR, but can be begun anew. */
bool threads_endless_wait(long nr, const unsigned long long arg[6]);

#endif
