/* SPDX-License-Identifier: MIT */
/* gil - see gil.h. */
#include "agent/snap/gil.h"

#include "agent/python/cpython_internal.h"
#include "agent/base/libc.h"
#include "agent/snap/own_gil.h"
#include "agent/base/sys.h"

static uint64_t gil_timeout_ns(const struct capture *c)
{
	const uint32_t ms = c->start->gil_timeout_ms;

	return (uint64_t)(ms ? ms : 5000) * 1000000u;
}

static int gil_cancelled(struct capture *c)
{
	return capture_fail(c, PYMEM_FAIL_CANCELLED, 0,
			    "cancelled while waiting for the interpreter");
}

static int gil_finalizing(struct capture *c)
{
	return capture_fail(c, PYMEM_FAIL_NOT_READY, 0,
			    "the interpreter is shutting down");
}

/* ---- an interpreter with a GIL ---- */

/*
 * The other interpreters' GILs are waited for with the first one held, so only for a
 * moment; then all are let go, and asked for again after a while that gets longer.
 */
enum { OTHERS_MS = 25, OTHERS_RUN = 2 };

/* The caller holds a GIL. OTHERS_RUN: some interpreter did not stop, and action was
 * not called, unless it is to be called anyway. */
static int gil_others(struct capture *c, gil_action *action, bool anyway)
{
	int rc = OTHERS_RUN;

	c->not_stopped = own_gil_take(c->py, OTHERS_MS * 1000000ull);
	if (!c->not_stopped || anyway)
		rc = action(c);
	own_gil_release(c->py);
	return rc;
}

static int gil_try(struct capture *c, gil_action *action, bool last, uint64_t asked)
{
	uint64_t got;
	int state, rc;

	state = cpython_gil_ensure(c->py);
	got = sys_now_ns();
	c->gil_wait_ns += got - asked;
	if (control_cancelled(&c->control, 0))
		rc = gil_cancelled(c);
	else if (cpython_finalizing(c->py))
		rc = gil_finalizing(c);
	else
		rc = gil_others(c, action, last);
	cpython_gil_release(c->py, state);
	c->gil_held_ns = sys_now_ns() - got;
	return rc;
}

static int gil_ordinary(struct capture *c, gil_action *action)
{
	const uint64_t limit = sys_now_ns() + gil_timeout_ns(c);
	uint64_t asked = sys_now_ns();
	int rc;

	control_send(&c->control, PYMEM_MSG_PHASE, 0, 0, 0, 0, "waiting for the GIL");
	for (int pause_ms = OTHERS_MS;; pause_ms *= 2) {
		rc = gil_try(c, action, asked + (uint64_t)pause_ms * 1000000 > limit,
			     asked);
		if (rc != OTHERS_RUN)
			return rc;
		asked = sys_now_ns();
		if (control_cancelled(&c->control, pause_ms))
			return gil_cancelled(c);
	}
}

/* ---- CPython 3.6 that has not made its GIL yet ---- */

enum lonely_state { LONELY_QUEUED = 1, LONELY_RUNNING, LONELY_DONE, LONELY_ABANDONED };

/* One at a time (the agent runs one job); lives as long as the call may come. */
static struct {
	volatile uint32_t state;
	struct capture *capture;
	gil_action *action;
	int result;
} lonely;

static bool gil_is_lonely(const struct capture *c)
{
	int (*made)(void) = (int (*)(void))c->py->sym.eval_threads_initialized;

	return cpython_version(c->py) < 0x030700 && made && c->py->sym.tstate_current &&
		c->py->sym.add_pending_call && !made();
}

/* On the main thread, between two instructions. */
static int lonely_call(void *arg)
{
	uint64_t began;

	(void)arg;
	if (!__sync_bool_compare_and_swap(&lonely.state, LONELY_QUEUED, LONELY_RUNNING)) {
		lonely.state = 0; /* abandoned: the queue is free again */
		return 0;
	}
	began = sys_now_ns();
	lonely.result = lonely.action(lonely.capture);
	lonely.capture->gil_held_ns = sys_now_ns() - began;
	__sync_synchronize();
	lonely.state = LONELY_DONE;
	return 0;
}

/* A call that may still come must find its code: never unload this library. */
static void lonely_stay(void)
{
	Dl_info info;

	if (dladdr(&lonely, &info) && info.dli_fname)
		dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

static bool lonely_queue(struct capture *c, gil_action *action)
{
	int (*add)(int (*)(void *), void *) =
		(int (*)(int (*)(void *), void *))c->py->sym.add_pending_call;

	if (lonely.state == LONELY_ABANDONED)
		return false; /* the last one is still in the queue */
	lonely.capture = c;
	lonely.action = action;
	lonely.state = LONELY_QUEUED;
	if (add(lonely_call, NULL) == 0)
		return true;
	lonely.state = 0; /* the queue is full: 32 calls wait */
	return false;
}

/*
 * The main thread is in a blocking call: act beside it, the copy checks.  As
 * copy_wait: 1 when the check failed.
 */
static int lonely_beside(struct capture *c, gil_action *action)
{
	int rc;

	c->must_be_zero = c->py->sym.tstate_current;
	rc = action(c);
	if (!rc)
		rc = copy_wait(c);
	c->must_be_zero = NULL;
	return rc;
}

void gil_adopt(struct capture *c)
{
	void *(*head)(void) = (void *(*)(void))c->py->sym.interp_head;
	void *(*threads)(void *) = (void *(*)(void *))c->py->sym.interp_threads;

	*(void **)c->py->sym.tstate_current = threads(head());
}

static int gil_lonely(struct capture *c, gil_action *action)
{
	const volatile uint64_t *current = c->py->sym.tstate_current;
	const uint64_t began = sys_now_ns(), limit = gil_timeout_ns(c);
	bool queued = false;

	control_send(&c->control, PYMEM_MSG_PHASE, 0, 0, 0, 0,
		     "waiting for the main thread (3.6 without a GIL)");
	for (;;) {
		c->gil_wait_ns = sys_now_ns() - began;
		if (!queued && !*current && action == copy_make) {
			int rc = lonely_beside(c, action);

			if (rc <= 0)
				return rc;
		}
		/* a call that waits behind a long sleep could not be taken back */
		if (!queued && *current)
			queued = lonely_queue(c, action);
		if (queued && lonely.state == LONELY_DONE) {
			lonely.state = 0;
			return lonely.result;
		}
		if (c->gil_wait_ns < limit && !control_cancelled(&c->control, 1))
			continue;
		if (!queued ||
		    __sync_bool_compare_and_swap(&lonely.state, LONELY_QUEUED,
						 LONELY_ABANDONED))
			break;
	}
	if (queued)
		lonely_stay();
	if (!queued && action != copy_make)
		return capture_fail(c, PYMEM_FAIL_GIL, 0,
				    "the only thread of this CPython 3.6 waits in a "
				    "system call, where "
				    "nothing can hold it still for a walk in place; a "
				    "copy can be made");
	return capture_fail(c, PYMEM_FAIL_GIL, 0,
			    "the main thread came to no instruction boundary in time");
}

int gil_with(struct capture *c, gil_action *action)
{
	c->gil_held_ns = 0;
	if (c->context == CAPTURE_IN_COPY)
		return action(c);
	if (c->context == CAPTURE_HOLDING)
		return gil_others(c, action, true);
	if (gil_is_lonely(c))
		return gil_lonely(c, action);
	return gil_ordinary(c, action);
}

/* Without a GIL to take, the main thread is kept in a pending call. */
static volatile bool lonely_held;

static int lonely_stand(void *arg)
{
	(void)arg;
	while (lonely_held)
		sys_sleep_ms(1);
	return 0;
}

static bool lonely_hold(const struct capture *c)
{
	int (*add)(int (*)(void *), void *) =
		(int (*)(int (*)(void *), void *))c->py->sym.add_pending_call;

	lonely_held = true;
	return add(lonely_stand, NULL) == 0;
}

void gil_hold(struct capture *c)
{
	if (c->held || c->context != CAPTURE_WORKER || cpython_finalizing(c->py))
		return;
	if (gil_is_lonely(c)) {
		c->held = c->held_lonely = lonely_hold(c);
		return;
	}
	c->hold_state = cpython_gil_ensure(c->py);
	c->held = true;
}

void gil_let_go(struct capture *c)
{
	if (c->held && !c->held_lonely)
		cpython_gil_release(c->py, c->hold_state);
	lonely_held = c->held = c->held_lonely = false;
}
