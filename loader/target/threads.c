/* SPDX-License-Identifier: MIT */
/*
 * threads - see threads.h.  Which system calls the kernel restarts after an
 * interruption was measured by attaching to a thread in each: signal(7),
 * "Interruption of system calls", lists the others.
 */
#include "loader/target/threads.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "loader/target/calls.h"
#include "loader/target/memory.h"
#include "loader/target/process.h"

/* Restarted exactly; nothing else of theirs is in a lock of the C library. */
static const long restarted[] = {
	SYS_read,     SYS_readv,   SYS_pread64,	 SYS_write,	      SYS_accept4,
	SYS_recvfrom, SYS_recvmsg, SYS_wait4,	 SYS_waitid,	      SYS_flock,
	SYS_fcntl,    SYS_ppoll,   SYS_pselect6, SYS_clock_nanosleep, SYS_nanosleep,
	SYS_accept,   SYS_connect, SYS_sendto,	 SYS_sendmsg,	      SYS_rt_sigsuspend,
#ifdef SYS_poll
	SYS_poll,     SYS_select,  SYS_pause,
#endif
};

/* An attach alone makes them return EINTR. */
static const long interrupted[] = {
	SYS_epoll_pwait, SYS_rt_sigtimedwait, SYS_semtimedop,	  SYS_io_getevents,
	SYS_semop,	 SYS_msgsnd,	      SYS_io_uring_enter, 441 /* epoll_pwait2 */,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
};

static bool threads_in(const long *list, size_t count, long nr)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == nr)
			return true;
	return false;
}

/*
 * glibc waits for its own locks (malloc's, stdio's: lll_lock) by FUTEX_WAIT, for all else
 * by FUTEX_WAIT_BITSET.  musl has FUTEX_WAIT for everything, but only waits for
 * conditions, semaphores and ended threads can be cancelled (src/thread/__timedwait.c).
 */
static enum thread_rank threads_rank_futex(const unsigned long long arg[6], bool seccomp,
					   bool cancellable)
{
	const int op = (int)(arg[1] & FUTEX_CMD_MASK);

	if (op == FUTEX_WAIT_BITSET || (op == FUTEX_WAIT && cancellable))
		return seccomp && arg[3] ? THREAD_WAITS_OTHER : THREAD_WAITS_CONDITION;
	switch (op) {
	case FUTEX_WAIT:
	case FUTEX_LOCK_PI:
		return THREAD_NEVER;
	default:
		return THREAD_RUNS; /* wake-ups are over at once */
	}
}

enum thread_rank threads_rank(long nr, const unsigned long long arg[6], bool seccomp,
			      bool cancellable)
{
	if (nr < 0)
		return THREAD_RUNS;
	if (nr == SYS_futex)
		return threads_rank_futex(arg, seccomp, cancellable);
	if (threads_in(interrupted, sizeof(interrupted) / sizeof(interrupted[0]), nr))
		return THREAD_INTERRUPTED;
	/* a wait with a time limit goes on; no lock of the C library's own has one */
	if (nr == SYS_restart_syscall)
		return seccomp ? THREAD_WAITS_OTHER : THREAD_WAITS_INPUT;
	bool restart_block = nr == SYS_nanosleep || nr == SYS_clock_nanosleep;
#ifdef SYS_poll
	restart_block |= nr == SYS_poll && (int)arg[2] > 0;
#endif
	if (threads_in(restarted, sizeof(restarted) / sizeof(restarted[0]), nr))
		return seccomp && restart_block ? THREAD_WAITS_OTHER : THREAD_WAITS_INPUT;
	return THREAD_WAITS_OTHER;
}

bool threads_endless_wait(long nr, const unsigned long long arg[6])
{
	switch (nr) {
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
	case SYS_epoll_pwait:
		return (int)arg[3] < 0;
	case 441: /* epoll_pwait2 */
		return !arg[3];
	case SYS_rt_sigtimedwait:
		return !arg[2];
	case SYS_io_getevents:
		return !arg[4];
	default:
		return false;
	}
}

void threads_wait(pid_t pid, pid_t tid, struct cpu_wait *ret)
{
	char path[64];
	unsigned long long arg[6], sp, pc;
	long nr;

	*ret = (struct cpu_wait){ .nr = -1 };
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	char *text = process_read_text(path, 512, NULL);
	if (text &&
	    sscanf(text, "%ld %llx %llx %llx %llx %llx %llx %llx %llx", &nr, &arg[0],
		   &arg[1], &arg[2], &arg[3], &arg[4], &arg[5], &sp, &pc) == 9) {
		*ret = (struct cpu_wait){ .nr = nr, .sp = sp, .pc = pc };
		for (int i = 0; i < 6; i++)
			ret->arg[i] = arg[i];
	}
	free(text);
}

static bool threads_is_vfork(const struct target *target, const struct cpu_wait *wait)
{
	uint64_t flags = wait->arg[0];

#ifdef SYS_vfork
	if (wait->nr == SYS_vfork)
		return true;
#endif
	if (wait->nr == SYS_clone3 && !memory_read_u64(&target->mem, flags, &flags))
		return false;
	return (wait->nr == SYS_clone || wait->nr == SYS_clone3) && flags & CLONE_VFORK;
}

pid_t threads_in_vfork(const struct target *target)
{
	struct dirent *e;
	struct cpu_wait wait;
	char path[64];
	pid_t found = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", target->pid);
	DIR *dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		const pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid <= 0 || process_thread_state(target->pid, tid) != 'D')
			continue;
		threads_wait(target->pid, tid, &wait);
		found = threads_is_vfork(target, &wait) ? tid : 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

uint64_t threads_sleeps(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	char *status = process_read_text(path, 65536, NULL);
	const uint64_t count = status ?
		process_text_field(status, "voluntary_ctxt_switches", 10,
				   UINT64_MAX - 1) :
		UINT64_MAX - 1;
	free(status);
	return count;
}

/* False = the thread is gone or must not be used. */
static bool threads_look(const struct target *target, pid_t tid, struct thread *ret)
{
	const pid_t pid = target->pid;
	struct cpu_wait wait;
	unsigned long long arg[6];
	struct thread t = {
		.tid = tid, .syscall = -1, .rank = THREAD_RUNS, .main = tid == pid
	};

	t.state = process_thread_state(pid, tid);
	if (!t.state || t.state == 'Z' || t.state == 'X' || t.state == 'D' ||
	    t.state == 't')
		return false;
	threads_wait(pid, tid, &wait);
	for (int i = 0; i < 6; i++)
		arg[i] = wait.arg[i];
	t.syscall = (long)wait.nr;
	t.rank = threads_rank(t.syscall, arg, target->confined,
			      calls_waits_cancellable(target, wait.pc));
	*ret = t;
	return t.rank != THREAD_NEVER;
}

/*
 * The main thread goes first unless it is in a bad wait: dlopen's malloc uses the
 * main arena there, where another thread's first one would map an arena for it,
 * for ever.  (A wait that was just interrupted looks like running.)
 */
static int threads_by_rank(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;

	if (x->main && x->rank <= THREAD_RUNS)
		return -1;
	if (y->main && y->rank <= THREAD_RUNS)
		return 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

int threads_order(const struct target *target, struct thread list[THREADS_MAX])
{
	char path[64];

	assert(target->pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/task", target->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	int count = 0, best = 0;
	for (struct dirent *e; count < THREADS_MAX && best < 16 && (e = readdir(dir));) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid <= 0 || !threads_look(target, tid, &list[count]))
			continue;
		best += list[count].rank == THREAD_WAITS_CONDITION;
		count++;
	}
	closedir(dir);
	assert(count <= THREADS_MAX);
	qsort(list, (size_t)count, sizeof(*list), threads_by_rank);
	return count;
}
