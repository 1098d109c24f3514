/* SPDX-License-Identifier: MIT */
/* world - see world.h. */
#include "agent/snap/world.h"

#include "agent/base/invariant.h"
#include "agent/base/peek.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "agent/python/cpython.h"
#include "agent/python/debug_offsets.h"
#include "agent/python/frame_layout.h"
#include "agent/python/interpreters.h"
#include "agent/snap/own_gil.h"

enum {
	WORLD_THREADS_MAX = 1 << 20, /* more is a damaged list */
	WORLD_LOCK_TRIES = 200,
	WORLD_BREAKER = 24,	/* struct _ts: prev, next, interp, eval_breaker (3.13+) */
	WORLD_PLEASE_STOP = 32, /* _PY_EVAL_PLEASE_STOP_BIT, pycore_ceval.h */
	WORLD_TIMEOUT_MS = 5000, /* --gil-timeout, unless it is said */
	WORLD_WAY_MS = 20,	 /* who stops the world looks at us each millisecond */
};

/* struct _ts.state (pycore_pystate.h). */
enum world_state { WORLD_DETACHED, WORLD_ATTACHED, WORLD_SUSPENDED, WORLD_SHUT_DOWN };

struct world {
	struct job *job;
	const struct gil_action *action;
	const struct frame_layout *lay;
	uint64_t interp, own, head; /* own: our thread's state; head: of interpreters */
	uint64_t asked, stopping;   /* when: it was begun; the first may stand */
	uint64_t silent;	    /* a thread that doesn't answer; 0: none */
	bool stopped, proven;	    /* the action's moment came, and was right */
	int result;
};

static int world_state_of(const struct frame_layout *lay, uint64_t tstate)
{
	return __atomic_load_n((const int *)(uintptr_t)(tstate + lay->ts_state),
			       __ATOMIC_RELAXED);
}

static uint64_t *world_breaker(uint64_t tstate)
{
	return (uint64_t *)(uintptr_t)(tstate + WORLD_BREAKER);
}

/* ---- is everybody there? ---- */

typedef bool world_thread_fn(struct world *world, uint64_t tstate);

static bool world_ask(struct world *world, uint64_t tstate)
{
	if (world_state_of(world->lay, tstate) == WORLD_ATTACHED)
		__atomic_fetch_or(world_breaker(tstate), WORLD_PLEASE_STOP,
				  __ATOMIC_RELAXED);
	return false;
}

/* Has it not answered? */
static bool world_is_silent(struct world *world, uint64_t tstate)
{
	if (world_state_of(world->lay, tstate) != WORLD_ATTACHED ||
	    !(__atomic_load_n(world_breaker(tstate), __ATOMIC_RELAXED) &
	      WORLD_PLEASE_STOP))
		return false;
	world->silent = tstate;
	return true;
}

/* Takes the question back. */
static bool world_forget(struct world *world, uint64_t tstate)
{
	if (world_is_silent(world, tstate))
		__atomic_fetch_and(world_breaker(tstate), ~(uint64_t)WORLD_PLEASE_STOP,
				   __ATOMIC_RELAXED);
	return false;
}

/* How many threads but ours fn is true for; -1: the list was locked all the time. */
static int world_each(struct world *world, world_thread_fn *fn)
{
	const struct cpython *py = world->job->py;
	int count = 0, n = 0;

	if (!own_gil_head_lock(py, world->head, WORLD_LOCK_TRIES))
		return -1;
	for (uint64_t t = interpreters_thread(py, world->interp);
	     t && n < WORLD_THREADS_MAX; t = interpreters_next_thread(py, t), n++)
		count += t != world->own && fn(world, t);
	own_gil_head_unlock(py, world->head);
	return count;
}

static int world_fail_silent(struct world *world, uint64_t limit_ns)
{
	uint32_t tid = 0;
	char buf[240];
	struct phrase t;

	if (world->silent && world->lay->ts_native_id != FRAME_NONE)
		peek_safe(world->silent + world->lay->ts_native_id, &tid, sizeof(tid));
	phrase_init(&t, buf, sizeof(buf));
	phrase_str(&t, "thread ");
	phrase_u64(&t, tid);
	phrase_str(&t, " has been in C code for ");
	phrase_u64(&t, limit_ns / 1000000);
	phrase_str(&t, " ms without a chance to stop it; nothing was stopped");
	return job_fail(world->job, PYMEM_FAIL_GIL, 0, buf);
}

/*
 * Does another thread stop all?  Then ours stands as well, for as long as that lasts:
 * detached, it is seen to stand, and to attach again waits for the end (stop_the_world,
 * park_detached_threads in Python/pystate.c).
 */
static void world_give_way(const struct world *world)
{
	const struct cpython_symbols *sym = &world->job->py->sym;
	void *(*save)(void) = (void *(*)(void))sym->save_thread;
	void (*restore)(void *) = (void (*)(void *))sym->restore_thread;
	void *own;

	if (!(__atomic_load_n(world_breaker(world->own), __ATOMIC_RELAXED) &
	      WORLD_PLEASE_STOP))
		return;
	__atomic_fetch_and(world_breaker(world->own), ~(uint64_t)WORLD_PLEASE_STOP,
			   __ATOMIC_RELAXED);
	own = save();
	for (int ms = 0; ms < WORLD_WAY_MS &&
	     world_state_of(world->lay, world->own) == WORLD_DETACHED;
	     ms++)
		sys_sleep_ms(1);
	restore(own);
}

/* Waits until each thread that runs has come by once; -1 after job_fail. */
static int world_listen(struct world *world)
{
	const uint32_t ms = world->job->start->gil_timeout_ms;
	const uint64_t limit_ns = (ms ? ms : WORLD_TIMEOUT_MS) * 1000000ull;
	const uint64_t began = sys_now_ns();
	int silent = world_each(world, world_ask);

	for (unsigned round = 0;; round++) {
		world_give_way(world);
		if (silent >= 0)
			silent = world_each(world, world_is_silent);
		else if (world_each(world, world_ask) >= 0)
			silent = 1;
		if (!silent)
			return 0;
		if (sys_now_ns() - began > limit_ns)
			break;
		if (control_channel_cancelled(&world->job->control, round < 20 ? 0 : 1)) {
			world_each(world, world_forget);
			return job_fail(world->job, PYMEM_FAIL_CANCELLED, 0,
					"cancelled while waiting for the interpreter");
		}
	}
	world_each(world, world_forget);
	return world_fail_silent(world, limit_ns);
}

/* ---- standing still ---- */

/* The states say so: ours attached, all others suspended. */
static bool world_stands(const struct world *world)
{
	const struct cpython *py = world->job->py;
	bool own = false;
	int n = 0;

	for (uint64_t t = interpreters_thread(py, world->interp); t;
	     t = interpreters_next_thread(py, t)) {
		const int state = world_state_of(world->lay, t);

		own |= t == world->own && state == WORLD_ATTACHED;
		if (++n > WORLD_THREADS_MAX ||
		    (t != world->own && state != WORLD_SUSPENDED &&
		     state != WORLD_SHUT_DOWN))
			return false;
	}
	return own;
}

static void world_act(struct world *world)
{
	struct job *job = world->job;

	world->stopped = true;
	world->proven = world_stands(world);
	job->gil_wait_ns += world->stopping - world->asked;
	if (!world->proven)
		return;
	job->not_stopped = world_running(job->py);
	world->result = world->action->run(job);
	job->gil_held_ns = sys_now_ns() - world->stopping;
}

/* gcvisitobjects_t: 0 = no more objects. */
static int world_visit(void *object, void *arg)
{
	(void)object;
	world_act(arg);
	return 0;
}

static void world_stop(struct world *world)
{
	const struct cpython_symbols *sym = &world->job->py->sym;
	void (*stop)(uint64_t) = (void (*)(uint64_t))sym->stop_world;
	void (*start)(uint64_t) = (void (*)(uint64_t))sym->start_world;
	void (*visit)(int (*)(void *, void *), void *) =
		(void (*)(int (*)(void *, void *), void *))sym->gc_visit;

	world->stopping = sys_now_ns();
	if (!stop || !start) {
		visit(world_visit, world);
		return;
	}
	stop(world->interp);
	world_act(world);
	start(world->interp);
}

/* On an attached thread. */
static int world_at_rest(struct job *job, const struct gil_action *action, uint64_t asked)
{
	struct world world = { .job = job, .action = action, .asked = asked };
	const struct cpython *py = job->py;
	struct debug_offsets offsets;
	uint64_t newest = 0;
	int rc;

	world.lay = frame_layout_of(py);
	world.own = interpreters_current(py);
	if (!world.lay || !world.lay->ts_state || !world.own || !py->sym.mutex_unlock ||
	    !py->sym.runtime || !py->sym.save_thread || !py->sym.restore_thread ||
	    (!(py->sym.stop_world && py->sym.start_world) && !py->sym.gc_visit) ||
	    !debug_offsets_read(py, &offsets) ||
	    world_state_of(world.lay, world.own) != WORLD_ATTACHED)
		return job_fail(job, PYMEM_FAIL_NOT_READY, 0,
				"how this free-threaded CPython stops its threads is not "
				"understood");
	world.head = CPYTHON_ADDR(py, runtime) + offsets.interpreters_head;
	peek_safe64(world.own + world.lay->ts_interp, &world.interp);
	if (!peek_safe64(world.head, &newest) || newest != interpreters_first(py))
		return job_fail(job, PYMEM_FAIL_NOT_READY, 0,
				"the interpreters of this free-threaded CPython are not "
				"where they must be");
	rc = world_listen(&world);
	if (rc)
		return rc;
	world_stop(&world);
	if (!world.proven)
		return job_fail(
			job, PYMEM_FAIL_GIL, 0,
			world.stopped ?
				"not all threads stood still" :
				"there is no object that isn't frozen, with which "
				"CPython 3.13 could be made to stop its threads");
	return world.result;
}

int world_with(struct job *job, const struct gil_action *action)
{
	const uint64_t asked = sys_now_ns();
	int state, rc;

	if (job->context == JOB_HOLDING)
		return world_at_rest(job, action, asked);
	control_channel_send(&job->control, PYMEM_MSG_PHASE, 0, 0, 0, 0,
			     "waiting for all threads to stop");
	state = cpython_gil_ensure(job->py);
	if (control_channel_cancelled(&job->control, 0))
		rc = job_fail(job, PYMEM_FAIL_CANCELLED, 0,
			      "cancelled while waiting for the interpreter");
	else if (cpython_finalizing(job->py))
		rc = job_fail(job, PYMEM_FAIL_NOT_READY, 0,
			      "the interpreter is shutting down");
	else
		rc = world_at_rest(job, action, asked);
	cpython_gil_release(job->py, state);
	return rc;
}

unsigned world_running(const struct cpython *py)
{
	const struct frame_layout *lay = frame_layout_of(py);
	const uint64_t own = interpreters_current(py);
	unsigned running = 0;

	for (uint64_t i = interpreters_first(py); i; i = interpreters_next(py, i)) {
		bool runs = !lay || !lay->ts_state;

		for (uint64_t t = interpreters_thread(py, i); t && !runs;
		     t = interpreters_next_thread(py, t))
			runs = t != own && world_state_of(lay, t) == WORLD_ATTACHED;
		running += runs;
	}
	return running;
}
