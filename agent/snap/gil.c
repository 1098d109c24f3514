/* SPDX-License-Identifier: MIT */
/* gil - see gil.h. */
#include "agent/snap/gil.h"

#include <string.h>

#include "agent/cpython/cpython_internal.h"
#include "agent/cpython/peek.h"
#include "agent/libc.h"
#include "agent/sys.h"

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

static int gil_ordinary(struct capture *c, gil_action *action)
{
	const uint64_t asked = sys_now_ns();
	uint64_t got;
	int state, rc;

	control_send(&c->control, PYMEM_MSG_PHASE, 0, 0, 0, 0, "waiting for the GIL");
	state = cpython_gil_ensure(c->py);
	got = sys_now_ns();
	c->gil_wait_ns += got - asked;
	if (control_cancelled(&c->control, 0))
		rc = gil_cancelled(c);
	else if (cpython_finalizing(c->py))
		rc = gil_finalizing(c);
	else
		rc = action(c);
	cpython_gil_release(c->py, state);
	c->gil_held_ns = sys_now_ns() - got;
	return rc;
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
		lonely.state = 0;	/* abandoned: the queue is free again */
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
		return false;	/* the last one is still in the queue */
	lonely.capture = c;
	lonely.action = action;
	lonely.state = LONELY_QUEUED;
	if (add(lonely_call, NULL) == 0)
		return true;
	lonely.state = 0;	/* the queue is full: 32 calls wait */
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
		if (!queued || __sync_bool_compare_and_swap(&lonely.state, LONELY_QUEUED,
							    LONELY_ABANDONED))
			break;
	}
	if (queued)
		lonely_stay();
	if (!queued && action != copy_make)
		return capture_fail(c, PYMEM_FAIL_GIL, 0,
			"the only thread of this CPython 3.6 waits in a system call, where "
			"nothing can hold it still for a walk in place; a copy can be made");
	return capture_fail(c, PYMEM_FAIL_GIL, 0,
			    "the main thread came to no instruction boundary in time");
}

/* ---- interpreters with a GIL of their own ---- */

/*
 * Offset of ceval.gil in PyInterpreterState, from _Py_DebugOffsets at the start of
 * _PyRuntime (Include/internal/pycore_runtime.h of 3.13, pycore_debug_offsets.h of
 * 3.14: one field more before it); 0 = not known.
 */
static uint64_t gil_offset(const struct cpython *py)
{
	const uint64_t runtime = CPYTHON_ADDR(py, runtime);
	const uint64_t at = cpython_since(py, 14) ? 120 : 112;
	uint64_t cookie, offset;

	if (!cpython_since(py, 13) || !runtime || !peek_safe64(runtime, &cookie) ||
	    memcmp(&cookie, "xdebugpy", 8) || !peek_safe64(runtime + at, &offset))
		return 0;
	return offset < 1u << 20 ? offset : 0;
}

unsigned gil_strangers(const struct cpython *py)
{
	uint64_t (*main_of)(void) = (uint64_t (*)(void))py->sym.interp_main;
	uint64_t (*head)(void) = (uint64_t (*)(void))py->sym.interp_head;
	uint64_t (*next)(uint64_t) = (uint64_t (*)(uint64_t))py->sym.interp_next;
	const uint64_t offset = gil_offset(py);
	uint64_t own, other;
	unsigned count = 0;

	if (!cpython_since(py, 12) || py->free_threaded || !main_of)
		return 0;
	for (uint64_t interp = head(); interp; interp = next(interp)) {
		if (interp != main_of() &&
		    (!offset || !peek_safe64(main_of() + offset, &own) ||
		     !peek_safe64(interp + offset, &other) || own != other))
			count++;
	}
	return count;
}

/* ---- free-threaded ---- */

struct stopped_world {
	struct capture *capture;
	gil_action *action;
	int result;
	bool done;
};

static int stopped_call(void *object, void *arg)
{
	struct stopped_world *world = arg;

	(void)object;
	if (!world->done) {
		world->done = true;
		world->result = world->action(world->capture);
	}
	return 0;	/* stop visiting */
}

static int gil_stop_world(struct capture *c, gil_action *action)
{
	void (*visit)(int (*)(void *, void *), void *) =
		(void (*)(int (*)(void *, void *), void *))c->py->sym.visit_objects;
	struct stopped_world world = { .capture = c, .action = action };

	visit(stopped_call, &world);
	return world.result;
}

static gil_action *stopped_action;	/* one job at a time */

static int gil_stop_world_action(struct capture *c)
{
	return gil_stop_world(c, stopped_action);
}

int gil_with(struct capture *c, gil_action *action)
{
	c->gil_held_ns = 0;
	if (c->context != CAPTURE_WORKER)
		return action(c);
	if (cpython_free_threaded(c->py)) {
		if (!c->py->sym.visit_objects)
			return capture_fail(c, PYMEM_FAIL_UNSUPPORTED, 0,
				"a free-threaded CPython that can't be stopped");
		stopped_action = action;
		return gil_ordinary(c, gil_stop_world_action);
	}
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
	if (c->held || c->context != CAPTURE_WORKER || cpython_free_threaded(c->py) ||
	    cpython_finalizing(c->py))
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
