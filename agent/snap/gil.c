/* SPDX-License-Identifier: MIT */
/* gil - see gil.h. */
#include "agent/snap/gil.h"

#include "agent/python/cpython.h"
#include "agent/base/invariant.h"
#include "agent/base/libc.h"
#include "agent/snap/own_gil.h"
#include "agent/base/sys.h"
#include "agent/snap/world.h"

static uint64_t gil_timeout_ns(const struct job *job)
{
	const uint32_t ms = job->start->gil_timeout_ms;

	return (uint64_t)(ms ? ms : 5000) * 1000000u;
}

static int gil_cancelled(struct job *job)
{
	return job_fail(job, PYMEM_FAIL_CANCELLED, 0,
			"cancelled while waiting for the interpreter");
}

static int gil_finalizing(struct job *job)
{
	return job_fail(job, PYMEM_FAIL_NOT_READY, 0, "the interpreter is shutting down");
}

/* ---- an interpreter with a GIL ---- */

/*
 * The other interpreters' GILs are waited for with the first one held, so only for a
 * moment; then all are let go, and asked for again after a while that gets longer.
 */
enum { OTHERS_MS = 25, OTHERS_RUN = 2 };

/* The caller holds a GIL. OTHERS_RUN: some interpreter did not stop, and action was
 * not called, unless it is to be called anyway. */
static int gil_others(struct job *job, const struct gil_action *action, bool anyway)
{
	int rc = OTHERS_RUN;

	job->not_stopped = own_gil_take(job->py, OTHERS_MS * 1000000ull);
	if (!job->not_stopped || anyway)
		rc = action->run(job);
	own_gil_release(job->py);
	return rc;
}

static int gil_try(struct job *job, const struct gil_action *action, bool last,
		   uint64_t asked)
{
	uint64_t got;
	int state, rc;

	state = cpython_gil_ensure(job->py);
	got = sys_now_ns();
	job->gil_wait_ns += got - asked;
	if (control_channel_cancelled(&job->control, 0))
		rc = gil_cancelled(job);
	else if (cpython_finalizing(job->py))
		rc = gil_finalizing(job);
	else
		rc = gil_others(job, action, last);
	cpython_gil_release(job->py, state);
	job->gil_held_ns = sys_now_ns() - got;
	return rc;
}

static int gil_ordinary(struct job *job, const struct gil_action *action)
{
	const uint64_t limit = sys_now_ns() + gil_timeout_ns(job);
	uint64_t asked = sys_now_ns();
	int rc;

	control_channel_send(&job->control, PYMEM_MSG_PHASE, 0, 0, 0, 0,
			     "waiting for the GIL");
	for (int pause_ms = OTHERS_MS;; pause_ms *= 2) {
		rc = gil_try(job, action, asked + (uint64_t)pause_ms * 1000000 > limit,
			     asked);
		if (rc != OTHERS_RUN)
			return rc;
		asked = sys_now_ns();
		if (control_channel_cancelled(&job->control, pause_ms))
			return gil_cancelled(job);
	}
}

/* ---- CPython 3.6 that has not made its GIL yet ---- */

enum gil_unthreaded_state {
	UNTHREADED_QUEUED = 1,
	UNTHREADED_RUNNING,
	UNTHREADED_DONE,
	UNTHREADED_ABANDONED
};

/* One at a time (the agent runs one job); lives as long as the call may come. */
static struct {
	volatile uint32_t state;
	struct job *job;
	const struct gil_action *action;
	int result;
} gil_unthreaded;

static bool gil_is_unthreaded(const struct job *job)
{
	int (*made)(void) = (int (*)(void))job->py->sym.eval_threads_initialized;

	/* tstate_current: 3.6 only */
	return made && job->py->sym.tstate_current && job->py->sym.add_pending_call &&
		!made();
}

/* On the main thread, between two instructions. */
static int gil_unthreaded_call(void *arg)
{
	uint64_t began;

	(void)arg;
	if (!__sync_bool_compare_and_swap(&gil_unthreaded.state, UNTHREADED_QUEUED,
					  UNTHREADED_RUNNING)) {
		gil_unthreaded.state = 0; /* abandoned: the queue is free again */
		return 0;
	}
	began = sys_now_ns();
	gil_unthreaded.result = gil_unthreaded.action->run(gil_unthreaded.job);
	gil_unthreaded.job->gil_held_ns = sys_now_ns() - began;
	__sync_synchronize();
	gil_unthreaded.state = UNTHREADED_DONE;
	return 0;
}

/* A call that may still come must find its code: never unload this library. */
static void gil_unthreaded_stay(void)
{
	Dl_info info;

	if (dladdr(&gil_unthreaded, &info) && info.dli_fname)
		dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static bool gil_unthreaded_queue(struct job *job, const struct gil_action *action)
{
	int (*add)(int (*)(void *), void *) =
		(int (*)(int (*)(void *), void *))job->py->sym.add_pending_call;

	if (gil_unthreaded.state == UNTHREADED_ABANDONED)
		return false; /* the last one is still in the queue */
	INVARIANT(!gil_unthreaded.state);
	gil_unthreaded.job = job;
	gil_unthreaded.action = action;
	gil_unthreaded.state = UNTHREADED_QUEUED;
	if (add(gil_unthreaded_call, NULL) == 0)
		return true;
	gil_unthreaded.state = 0; /* the queue is full: 32 calls wait */
	return false;
}

/*
 * The main thread is in a blocking call: act beside it, the copy checks.  1 when the
 * check failed.
 */
static int gil_unthreaded_beside(struct job *job, const struct gil_action *action)
{
	int rc;

	job->must_be_zero = job->py->sym.tstate_current;
	rc = action->run(job);
	if (!rc)
		rc = action->judge(job);
	job->must_be_zero = NULL;
	return rc;
}

void gil_adopt(struct job *job)
{
	void *(*head)(void) = (void *(*)(void))job->py->sym.interp_head;
	void *(*threads)(void *) = (void *(*)(void *))job->py->sym.interp_threads;

	*(void **)job->py->sym.tstate_current = threads(head());
}

static int gil_unthreaded_with(struct job *job, const struct gil_action *action)
{
	const volatile uint64_t *current = job->py->sym.tstate_current;
	const uint64_t began = sys_now_ns(), limit = gil_timeout_ns(job);
	bool queued = false;

	control_channel_send(&job->control, PYMEM_MSG_PHASE, 0, 0, 0, 0,
			     "waiting for the main thread (3.6 without a GIL)");
	for (;;) {
		job->gil_wait_ns = sys_now_ns() - began;
		if (!queued && !*current && action->judge) {
			int rc = gil_unthreaded_beside(job, action);

			if (rc <= 0)
				return rc;
		}
		/* a call that waits behind a long sleep could not be taken back */
		if (!queued && *current)
			queued = gil_unthreaded_queue(job, action);
		if (queued && gil_unthreaded.state == UNTHREADED_DONE) {
			gil_unthreaded.state = 0;
			return gil_unthreaded.result;
		}
		if (job->gil_wait_ns < limit &&
		    !control_channel_cancelled(&job->control, 1))
			continue;
		if (!queued ||
		    __sync_bool_compare_and_swap(&gil_unthreaded.state, UNTHREADED_QUEUED,
						 UNTHREADED_ABANDONED))
			break;
	}
	if (queued)
		gil_unthreaded_stay();
	if (!queued && !action->judge)
		return job_fail(job, PYMEM_FAIL_GIL, 0,
				"the only thread of this CPython 3.6 waits in a "
				"system call, where "
				"nothing can hold it still for a walk in place; a "
				"copy can be made");
	return job_fail(job, PYMEM_FAIL_GIL, 0,
			"the main thread came to no instruction boundary in time");
}

int gil_with(struct job *job, const struct gil_action *action)
{
	INVARIANT(job->py && action->run);
	job->gil_held_ns = 0;
	if (job->context == JOB_EXTERNAL)
		return action->run(job);
	if (cpython_gils(job->py) == CPYTHON_GIL_NONE)
		return world_with(job, action);
	if (job->context == JOB_HOLDING)
		return gil_others(job, action, true);
	if (gil_is_unthreaded(job))
		return gil_unthreaded_with(job, action);
	return gil_ordinary(job, action);
}

/*
 * Without a GIL to take, the main thread is kept in a pending call, for as long as the
 * thread that asked for it is there: one that is lost can't let it go.
 */
static volatile int gil_unthreaded_holder; /* its number, 0 = nobody */

static int gil_unthreaded_stand(void *arg)
{
	int holder;

	(void)arg;
	while ((holder = gil_unthreaded_holder) &&
	       sys3(SYS_tgkill, sys_getpid(), holder, 0) != -ESRCH)
		sys_sleep_ms(1);
	return 0;
}

static bool gil_unthreaded_hold(const struct job *job)
{
	int (*add)(int (*)(void *), void *) =
		(int (*)(int (*)(void *), void *))job->py->sym.add_pending_call;

	gil_unthreaded_holder = sys_gettid();
	return add(gil_unthreaded_stand, NULL) == 0;
}

void gil_hold(struct job *job)
{
	if (job->held || job->context != JOB_WORKER || cpython_finalizing(job->py) ||
	    cpython_gils(job->py) == CPYTHON_GIL_NONE)
		return;
	if (gil_is_unthreaded(job)) {
		job->held = job->held_unthreaded = gil_unthreaded_hold(job);
		return;
	}
	job->hold_state = cpython_gil_ensure(job->py);
	job->held = true;
}

void gil_let_go(struct job *job)
{
	if (job->held && !job->held_unthreaded)
		cpython_gil_release(job->py, job->hold_state);
	gil_unthreaded_holder = 0;
	job->held = job->held_unthreaded = false;
}
