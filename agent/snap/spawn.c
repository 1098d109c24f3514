/* SPDX-License-Identifier: MIT */
/* spawn - see spawn.h. */
#include "agent/snap/spawn.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "agent/base/invariant.h"
#include "agent/base/sys.h"

enum {
	THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		CLONE_SYSVSEM | CLONE_UNTRACED | CLONE_CHILD_CLEARTID,
	PROCESS = CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_FILES | CLONE_UNTRACED |
		SIGCHLD,
	COPY = CLONE_UNTRACED | SIGCHLD,
	PROGRAM = CLONE_VM | CLONE_VFORK | CLONE_UNTRACED,
	KEEPER = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED,
	FRAMES = 4096, /* bytes; generous */
};

/* Faults alone reach the thread: blocked, they would end the copy without a word. */
static uint64_t spawn_mask(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
				      SIGABRT, SIGSYS, SIGTRAP };
	uint64_t mask = ~0ull;

	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		mask &= ~(1ull << (faults[i] - 1));
	return mask;
}

/* top: 16-byte aligned; what is above it stays as it is. */
static int spawn_raw(unsigned long flags, void *top, _Atomic(uint32_t) *child_tid,
		     void (*run)(void *), void *arg)
{
	uint64_t *const words = (uint64_t *)top - 2;

	INVARIANT((uintptr_t)top % 16 == 0);
	words[0] = (uint64_t)(uintptr_t)run; /* what cpu_clone calls */
	words[1] = (uint64_t)(uintptr_t)arg;
	sys_note(SYS_clone);
	sys_note(SYS_exit);
	return (int)cpu_clone(flags, words, child_tid);
}

int spawn_thread(struct spawned *thread, void *stack, size_t stack_size,
		 void (*run)(void *), void *arg)
{
	const uint64_t mask = spawn_mask();
	uint64_t old = 0;
	int tid;

	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, 8);
	atomic_store(&thread->alive, 1);
	tid = spawn_raw(THREAD, (char *)stack + stack_size, &thread->alive, run, arg);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
	if (tid > 0)
		return 0;
	atomic_store(&thread->alive, 0);
	return tid;
}

void spawn_join(struct spawned *thread)
{
	/* not the private kind: the kernel wakes a shared futex (kernel/fork.c,
	 * mm_release) */
	while (atomic_load(&thread->alive))
		sys4(SYS_futex, &thread->alive, FUTEX_WAIT, 1, NULL);
}

/* Our stack, clear of this frame and of the one of cpu_clone's caller below it. */
static int spawn_below(unsigned long flags, void (*run)(void *), void *arg)
{
	char *const below = (char *)__builtin_frame_address(0) - FRAMES;

	return spawn_raw(flags, (void *)((uintptr_t)below & ~(uintptr_t)15), NULL, run,
			 arg);
}

int spawn_process(void (*run)(void *), void *arg)
{
	return spawn_below(PROCESS, run, arg);
}

int spawn_copy(void (*run)(void *), void *arg)
{
	return spawn_below(COPY, run, arg);
}

int spawn_program(void (*run)(void *), void *arg)
{
	return spawn_below(PROGRAM, run, arg);
}

int spawn_keeper(bool apart, void *stack, size_t stack_size, void (*run)(void *),
		 void *arg)
{
	const uint64_t all = ~0ull;
	uint64_t old = 0;
	int pid;

	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	pid = spawn_raw(apart ? CLONE_UNTRACED : KEEPER, (char *)stack + stack_size, NULL,
			run, arg);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
	return pid;
}

bool spawn_confined(void)
{
	return sys5(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}

void spawn_futex_wait(const _Atomic(uint32_t) *word, uint32_t value)
{
	sys4(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL);
}

void spawn_futex_wake(const _Atomic(uint32_t) *word)
{
	sys3(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}
