/* SPDX-License-Identifier: MIT */
/* worker - see worker.h. */
#include "agent/base/worker.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "agent/base/libc.h"
#include "agent/base/libc_arena.h"
#include "agent/base/page.h"
#include "agent/base/sys.h"

/* The thread-exit hook: run by pthread_exit and by a plain return alike. */
static void worker_exit(void *arg)
{
	struct worker *worker = arg;

	libc_arena_leave();
	if (worker->keyed) /* also after pthread_exit: its destructor goes with us */
		pthread_key_delete(worker->key);
	worker->keyed = 0;
	if (worker->over)
		worker->over(worker->arg);
}

/* What a thread inherits from its creator and should not have. */
static void worker_ordinary(const char *name)
{
	const struct sched_param none = { 0 };
	unsigned char cpus[1024];

	memset(cpus, 0xff, sizeof(cpus));
	sys3(SYS_sched_setscheduler, 0, SCHED_OTHER, &none);
	sys3(SYS_sched_setaffinity, 0, sizeof(cpus), cpus);
	sys5(SYS_prctl, PR_SET_TIMERSLACK, 0, 0, 0, 0);
	sys5(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	worker->tid = sys_gettid();
	libc_arena_join();
	worker_ordinary(worker->name);
	worker->keyed = !pthread_key_create(&worker->key, worker_exit);
	if (worker->keyed)
		pthread_setspecific(worker->key, worker);
	worker->run(worker->arg);
	worker_exit(worker);
	return NULL;
}

static int worker_gone(const struct worker *worker)
{
	return !worker->tid || sys3(SYS_tgkill, sys_getpid(), worker->tid, 0) == -ESRCH;
}

/* Finds or maps the stack; waits for a thread that is about to leave it. */
static int worker_stack(struct worker *worker, void **stack_ret, size_t *size_ret)
{
	long mem;

	for (int tries = 0; !worker_gone(worker); tries++) {
		if (tries == 100)
			return -EBUSY;
		sys_sleep_ms(1);
	}
	*stack_ret = worker->stack ? worker->stack : worker->own_stack;
	*size_ret = worker->stack ? worker->stack_size : WORKER_STACK;
	if (*stack_ret)
		return 0;
	mem = sys6(SYS_mmap, 0, WORKER_STACK, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(mem))
		return (int)mem;
	worker->own_stack = *stack_ret = (void *)mem;
	sys3(SYS_mprotect, mem, page_size(), PROT_NONE); /* an overflow must fault */
	return 0;
}

/*
 * The number of a thread that may not have run yet: its CPU clock's name is made of
 * it (clock_getcpuclockid(3); linux/posix-timers.h).  Its descriptor lies on our
 * stack, so it can be looked at even when the thread is over already.
 */
static int worker_number(pthread_t thread)
{
	clockid_t clock;

	return pthread_getcpuclockid(thread, &clock) ? 0 : ~(clock >> 3);
}

/* What pthread_create and the thread's end do in the C library (glibc, musl). */
static void worker_note_calls(void)
{
	sys_note(SYS_clone);
#ifdef SYS_clone3
	sys_note(SYS_clone3);
#endif
#ifdef SYS_rseq
	sys_note(SYS_rseq); /* refused to a new thread: glibc ends the process */
#endif
	sys_note(SYS_set_robust_list);
	sys_note(SYS_mmap);
	sys_note(SYS_mprotect);
	sys_note(SYS_munmap);
	sys_note(SYS_madvise);
	sys_note(SYS_futex); /* refused: glibc ends the process */
	sys_note(SYS_exit);
}

int worker_start(struct worker *worker)
{
	uint64_t all = ~0ULL, old = 0;
	pthread_attr_t attr;
	pthread_t thread;
	size_t size;
	void *stack;
	int rc = worker_stack(worker, &stack, &size);

	worker_note_calls();
	if (rc)
		return rc;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = -pthread_attr_setstack(&attr, stack, size);
	if (!rc) {
		sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, 8);
		rc = -pthread_create(&thread, &attr, worker_main, worker);
		worker->made = rc ? 0 : worker_number(thread);
		sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
	}
	pthread_attr_destroy(&attr);
	return rc;
}

void worker_unmap(struct worker *worker)
{
	if (worker->own_stack && worker_gone(worker))
		sys2(SYS_munmap, worker->own_stack, WORKER_STACK);
	worker->own_stack = NULL;
}
