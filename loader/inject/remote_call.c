/* SPDX-License-Identifier: MIT */
/* remote_call - see remote_call.h. */
#include "loader/inject/remote_call.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "loader/base/clock.h"
#include "loader/inject/remote_run.h"

/*
 * At the entry of a system call in a copy: a wait for a lock of the C library (the
 * GIL's mutex, malloc's...: futex(2) FUTEX_WAIT without a time limit, for the value 2
 * as glibc's lll_lock_wait does, or for a negative one as musl's __lock does).
 * Whoever held it did not come along into the copy, so nobody will ever release it: we
 * do.  The larger the heap, the likelier: a thread that meets the fork with the GIL's
 * mutex in its hands waits in a page fault until the fork is over.
 *
 * In a pthread_mutex_t the owner's number goes too, since pthread_mutex_lock asserts
 * that a free mutex has none; it stands behind lock and count, before the number of
 * users and the kind (struct __pthread_mutex_s, 64-bit).
 */
static void remote_call_open_orphaned_lock(struct remote *r, const struct cpu_regs *regs)
{
	const bool musl = r->tracee->helper->target->libc_kind == LIBC_MUSL;
	const uint64_t lock = cpu_syscall_arg(regs, 0);
	const int32_t seen = (int32_t)cpu_syscall_arg(regs, 2);
	/* musl (src/thread/__lock.c): the holder is worth INT_MIN + 1, each waiter 1 */
	const int32_t unlocked = musl ? seen - (INT_MIN + 1) : 0;
	int32_t mutex[5];
	const uint64_t op = cpu_syscall_arg(regs, 1) & ~(uint64_t)FUTEX_PRIVATE_FLAG;

	if (cpu_syscall(regs) != SYS_futex || op != FUTEX_WAIT ||
	    cpu_syscall_arg(regs, 3) || (musl ? seen >= 0 : seen != 2))
		return;
	helper_log(r->tracee->helper, "the copy opens a lock that nobody holds any more");
	tracee_write(r->tracee, lock, &unlocked, sizeof(unlocked));
	if (!musl && tracee_read(r->tracee, lock, mutex, sizeof(mutex)) && mutex[2] > 0 &&
	    mutex[3] >= 0 && mutex[3] < 1 << 20 && (uint32_t)mutex[4] < 1 << 10)
		tracee_write(r->tracee, lock + 2 * sizeof(*mutex), &unlocked,
			     sizeof(unlocked));
}

/* At a system call stop: is it the exit of the stub's marker? */
static bool remote_call_at_marker(struct remote *r)
{
	size_t size, marker;
	struct cpu_regs regs;

	r->inside = !r->inside;
	if (cpu_get_regs(r->tracee->tid, &regs))
		return false;
	if (r->inside) {
		remote_call_open_orphaned_lock(r, &regs);
		return false;
	}
	cpu_stub(&size, &marker);
	return cpu_pc(&regs) == r->stub + marker;
}

int remote_call_start(struct remote *r, uint64_t function, const uint64_t arg[4],
		      struct load_error *err)
{
	struct tracee *t = r->tracee;
	struct cpu_regs regs = t->state.regs;
	struct cpu_call call = { .function = function, .spins = 1 };

	assert(r->copy && r->stub);
	memcpy(call.arg, arg, sizeof(call.arg));
	uint64_t top = r->top;
	r->block = remote_push(r, &call, sizeof(call));
	uint64_t stack = r->top - 64;
	r->top = top; /* the block is dead once the call has returned */
	r->inside = false;
	if (!r->block)
		return load_fail(err, LOAD_E_SYSTEM, 0,
				 "the call block could not be written");
	cpu_set_call(&regs, r->stub, stack, r->block, 0, r->context,
		     t->helper->target->calls.errno_location);
	r->calls++;
	if (tracee_redirect(t, &regs))
		return remote_lost(r, TRACEE_ENDED, err);
	helper_point(t->helper, "call-set");
	if (tracee_resume(t, PTRACE_SYSCALL))
		return remote_lost(r, TRACEE_ENDED, err);
	helper_point(t->helper, "call-running");
	return 0;
}

int remote_call_poll(struct remote *r, uint64_t deadline, uint64_t *ret,
		     struct load_error *err)
{
	assert(r->copy && r->block);
	for (;;) {
		enum tracee_event event = tracee_wait(r->tracee, deadline);

		if (event == TRACEE_TIMEOUT)
			return 0;
		helper_point(r->tracee->helper, "call-stop");
		if (event == TRACEE_FAULT)
			return remote_crashed(r, err);
		if (event == TRACEE_SYSCALL && remote_call_at_marker(r))
			break;
		if (event != TRACEE_SYSCALL && event != TRACEE_STOP &&
		    event != TRACEE_CLONE)
			return remote_lost(r, event, err);
		if (tracee_resume(r->tracee, PTRACE_SYSCALL))
			return remote_lost(r, TRACEE_ENDED, err);
		if (clock_now() >= deadline)
			return 0;
	}
	uint64_t from = r->block + offsetof(struct cpu_call, result);
	if (!tracee_read(r->tracee, from, ret, sizeof(*ret)))
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the call's result can't be read");
	return 1;
}

int remote_call(struct remote *r, uint64_t function, const uint64_t arg[4],
		unsigned timeout_ms, uint64_t *ret, struct load_error *err)
{
	uint64_t deadline = clock_now() + (uint64_t)timeout_ms * 1000000;

	if (!r->copy)
		return remote_run(r, function, arg, NULL, 0, timeout_ms, ret, err);
	if (remote_call_start(r, function, arg, err))
		return -1;
	int got = remote_call_poll(r, deadline, ret, err);
	if (!got)
		return remote_lost(r, TRACEE_TIMEOUT, err);
	return got > 0 ? 0 : -1;
}
