/* SPDX-License-Identifier: MIT */
/* remote_run - see remote_run.h. */

#include "loader/base/clock.h"
#include "loader/inject/remote_run.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>

#define WAIT_NS 250000000 /* of the thread's CPU time, in the marker */
#define SPINS_LEAST 1000
#define SPIN_NS 60000 /* of ours: a sleep takes a timer, and idle CPUs to wake up */
#define LOOK_FIRST_NS 20000
#define LOOK_LAST_NS 500000
#define BATCH_MS 2000

struct block {
	struct cpu_call call;
	struct cpu_op op[REMOTE_OPS_MAX + REMOTE_LATER_MAX];
};
_Static_assert(offsetof(struct block, op) == sizeof(struct cpu_call), "no hole");

static int remote_run_start(struct remote *r, const struct block *block, size_t size,
			    unsigned count, struct load_error *err)
{
	struct tracee *t = r->tracee;
	struct cpu_regs regs = t->state.regs;
	const struct target_calls *calls = &t->helper->target->calls;
	uint64_t top = r->top;

	r->block = remote_push(r, block, size);
	uint64_t stack = r->top - 64;
	r->top = top; /* the block is dead once its results are read */
	if (!r->block)
		return load_fail(err, LOAD_E_SYSTEM, 0,
				 "the call block could not be written");
	cpu_set_call(&regs, r->stub, stack, r->block, count, r->context,
		     block->call.function ? calls->errno_location : 0);
	r->calls++;
	if (tracee_redirect(t, &regs))
		return remote_lost(r, TRACEE_ENDED, err);
	helper_point(t->helper, "run-set");
	if (tracee_resume(t, PTRACE_CONT))
		return remote_lost(r, TRACEE_ENDED, err);
	return 0;
}

static bool remote_run_is_done(const struct remote *r)
{
	uint64_t done;

	return tracee_read(r->tracee, r->block + offsetof(struct cpu_call, done), &done,
			   sizeof(done)) &&
		done == 1;
}

/* Rounds in the marker, by what a system call takes on this machine. */
static uint64_t remote_run_rounds(const struct helper *h)
{
	assert(h->call_ns);
	const uint64_t rounds = WAIT_NS / h->call_ns;

	return rounds < SPINS_LEAST ? SPINS_LEAST : rounds;
}

/* Most runs are over in some microseconds. */
static void remote_run_spin(const struct remote *r)
{
	const uint64_t end = clock_now() + SPIN_NS;

	while (!remote_run_is_done(r) && clock_now() < end)
		sched_yield();
}

/* Until the stub has noted that it is done. */
static int remote_run_await(struct remote *r, uint64_t deadline, struct load_error *err)
{
	struct tracee *t = r->tracee;
	const uint64_t began = clock_now();

	remote_run_spin(r);
	for (uint64_t step = LOOK_FIRST_NS; !remote_run_is_done(r);) {
		helper_point(t->helper, "run-look");
		enum tracee_event event = tracee_wait(t, clock_now() + step);
		if (event == TRACEE_FAULT)
			return remote_crashed(r, err);
		if (event == TRACEE_TIMEOUT) {
			const uint64_t now = clock_now();

			if (now > deadline)
				return remote_lost(r, event, err);
			step = (now - began) / 16 + LOOK_FIRST_NS;
			step = step < LOOK_LAST_NS ? step : LOOK_LAST_NS;
			continue;
		}
		if (event != TRACEE_STOP && event != TRACEE_SYSCALL)
			return remote_lost(r, event, err);
		if (!remote_run_is_done(r) && tracee_resume(t, PTRACE_CONT))
			return remote_lost(r, TRACEE_ENDED, err);
		if (!remote_run_is_done(r) && clock_now() > deadline)
			return remote_lost(r, TRACEE_TIMEOUT, err);
	}
	return 0;
}

/* Stops it in the marker; it may be out of it already. */
static int remote_run_catch(struct remote *r, struct load_error *err)
{
	struct tracee *t = r->tracee;
	struct cpu_regs regs;

	helper_point(t->helper, "run-done");
	int error = tracee_to_event_stop(t, TRACEE_BACK_MS);
	if (error)
		return remote_lost(r, error == -ETIMEDOUT ? TRACEE_TIMEOUT : TRACEE_ENDED,
				   err);
	helper_point(t->helper, "run-stopped");
	if (cpu_get_regs(t->tid, &regs))
		return remote_lost(r, TRACEE_ENDED, err);
	if (cpu_pc(&regs) - r->stub < CPU_STUB_MAX)
		return 0;
	t->saved = t->changed = t->masked = false;
	return load_fail(
		err, LOAD_E_TIMEOUT, 0,
		"thread %d of process %d waited for us too long and went back to "
		"its work",
		t->tid, t->pid);
}

int remote_run(struct remote *r, uint64_t function, const uint64_t arg[4],
	       struct cpu_op *ops, unsigned count, unsigned timeout_ms, uint64_t *ret,
	       struct load_error *err)
{
	struct block b = { .call = { .function = function,
				     .spins = remote_run_rounds(r->tracee->helper) } };
	const unsigned later = r->later_count, all = count + later;
	const size_t size = sizeof(b.call) + all * sizeof(*ops);
	const uint64_t deadline = clock_now() + (uint64_t)timeout_ms * 1000000;

	assert(!r->copy && r->stub && count <= REMOTE_OPS_MAX);
	if (arg)
		memcpy(b.call.arg, arg, sizeof(b.call.arg));
	if (count)
		memcpy(b.op, ops, count * sizeof(*ops));
	if (later)
		memcpy(b.op + count, r->later, later * sizeof(*ops));
	r->later_count = 0;
	if (remote_run_start(r, &b, size, all, err) || remote_run_await(r, deadline, err))
		return -1;
	const bool got = tracee_read(r->tracee, r->block, &b, size);
	if (remote_run_catch(r, err))
		return -1;
	if (!got)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the call's result can't be read");
	if (count)
		memcpy(ops, b.op, count * sizeof(*ops));
	if (ret)
		*ret = b.call.result;
	return 0;
}

int remote_run_batch(struct remote *r, struct cpu_op *ops, unsigned count,
		     struct load_error *err)
{
	if (!r->copy && r->stub)
		return remote_run(r, 0, NULL, ops, count, BATCH_MS, NULL, err);
	for (unsigned i = 0; i < count; i++)
		if (remote_syscall(r, ops[i].nr, ops[i].arg, &ops[i].result, err))
			return -1;
	return 0;
}

int remote_run_later(struct remote *r, const struct cpu_op *op, struct load_error *err)
{
	struct cpu_op now = *op;

	assert(r->later_count <= REMOTE_LATER_MAX);
	if (r->copy || r->later_count == REMOTE_LATER_MAX)
		return remote_run_batch(r, &now, 1, err);
	r->later[r->later_count++] = *op;
	return 0;
}

int remote_run_flush(struct remote *r, struct load_error *err)
{
	return r->later_count ? remote_run_batch(r, NULL, 0, err) : 0;
}
