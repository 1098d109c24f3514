/* SPDX-License-Identifier: MIT */
/*
 * borrow - see borrow.h.
 *
 * Threads are listed anew every round: what they do changes.  Between refusals
 * the target runs on for 0.2-2 ms, at random, so as not to beat in time with
 * what it does.
 */
#include "loader/inject/borrow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loader/base/clock.h"
#include "loader/target/malloc_arena.h"
#include "loader/target/calls.h"
#include "loader/target/seccomp.h"
#include "loader/target/threads.h"

#define TRIES_A_ROUND 8
#define UNRESPONSIVE_MAX 64
#define REFUSALS_MAX 8
/* So many under filters were not permitted: nor will the others under filters be. */
#define BARRED_MAX 8

struct search {
	struct helper *helper;
	struct borrow *borrow;
	struct tracee *tracee;
	struct load_error *err;
	pid_t unresponsive[UNRESPONSIVE_MAX]; /* still seized, until the helper ends */
	int unresponsive_count;
	int refusals;
	pid_t barred[BARRED_MAX]; /* not permitted */
	int barred_count;
	struct load_error bar; /* what was said of the first */
	bool picky;	       /* refuse threads whose first malloc it would be */
	bool bare_seen;	       /* such a one was there */
	unsigned short seed[3];
};

static void borrow_pause_a_little(struct search *s)
{
	long ns = 200000 + (long)(erand48(s->seed) * 1800000);
	struct timespec ts = { 0, ns };

	nanosleep(&ts, NULL);
}

static bool borrow_is_unresponsive(const struct search *s, pid_t tid)
{
	for (int i = 0; i < s->unresponsive_count; i++)
		if (s->unresponsive[i] == tid)
			return true;
	return false;
}

static bool borrow_is_barred(const struct search *s, pid_t tid)
{
	for (int i = 0; i < s->barred_count; i++)
		if (s->barred[i] == tid)
			return true;
	return s->barred_count == BARRED_MAX &&
		seccomp_mode(s->helper->target->pid, tid) != SECCOMP_NONE;
}

/* Filters may differ from thread to thread: another may have none. */
static enum safepoint borrow_ask_permit(struct search *s)
{
	struct load_error err = { 0 };

	if (!s->borrow->permit(s->tracee, s->borrow->context, &err))
		return SAFE;
	if (!s->barred_count)
		s->bar = err;
	if (s->barred_count < BARRED_MAX)
		s->barred[s->barred_count++] = s->tracee->tid;
	return UNSAFE_FILTER;
}

static void borrow_refuse(struct search *s, enum safepoint point)
{
	s->borrow->last = point;
	tracee_release(s->tracee, NULL);
	s->borrow->stopped_ns += s->tracee->stopped_ns;
	helper_log(s->helper, "thread %d refused: %s", s->tracee->tid,
		   safepoint_name(point));
}

static int borrow_refuse_stopped(struct search *s)
{
	static const char *const names[] = { [SIGSTOP] = "STOP",
					     [SIGTSTP] = "TSTP",
					     [SIGTTIN] = "TTIN",
					     [SIGTTOU] = "TTOU" };
	const size_t sig = (size_t)s->tracee->stop_signal;
	const char *name = sig < sizeof(names) / sizeof(names[0]) ? names[sig] : NULL;

	tracee_release(s->tracee, NULL);
	return load_fail(s->err, LOAD_E_STATE, 0,
			 "process %d is stopped (%s): nothing can run in it until it is "
			 "continued; --method=external captures it as it is",
			 s->helper->target->pid, name ? name : "job control");
}

/*
 * 0 = try another, -1 = give up.  A refusal may pass: the leader of a process of
 * which another thread is at its exec is dead until that one takes its place.
 */
static int borrow_seize_failed(struct search *s, pid_t tid)
{
	switch (s->err->code) {
	case LOAD_E_GONE:
		return 0;
	case LOAD_E_STATE:
		if (s->tracee->attached && s->unresponsive_count < UNRESPONSIVE_MAX)
			s->unresponsive[s->unresponsive_count++] = tid;
		return 0;
	case LOAD_E_PERMISSION:
		return ++s->refusals > REFUSALS_MAX ? -1 : 0;
	default:
		return -1;
	}
}

/* Is it still at what a killed loader had it do? */
static bool borrow_is_used(const struct tracee *t)
{
	const struct target *target = t->helper->target;

	for (int i = 0; i < target->used_count; i++)
		if (range_has(target->used[i], cpu_sp(&t->state.regs)) ||
		    range_has(target->used[i], cpu_pc(&t->state.regs)))
			return true;
	return false;
}

/* 1 = borrowed, 0 = not this one, -1 = none at all. */
static int borrow_try_thread(struct search *s, pid_t tid)
{
	const struct inject_options *o = s->helper->options;
	unsigned timeout = injection_stop_ms(o);
	struct tracee *t = s->tracee;

	s->borrow->tries++;
	if (helper_step(s->helper, s->err, "seize thread %d", tid))
		return -1;
	if (tracee_seize(t, s->helper, tid, timeout, s->err))
		return borrow_seize_failed(s, tid);
	if (!target_same_memory(s->helper->target)) {
		tracee_release(t, NULL);
		return load_fail(
			s->err, LOAD_E_GONE, 0,
			"process %d started another program meanwhile: try again",
			s->helper->target->pid);
	}
	if (t->group_stop && !s->borrow->stopped_too)
		return borrow_refuse_stopped(s);
	if (helper_step(s->helper, s->err, "save thread %d", tid) ||
	    tracee_save(t, s->err)) {
		tracee_release(t, NULL);
		return -1;
	}
	enum safepoint point = borrow_is_used(t) ? UNSAFE_PLACE : s->borrow->judge(t);
	if (point == SAFE && s->picky && tid != t->pid &&
	    !malloc_arena_present(s->helper->target, &t->mem,
				  cpu_tls_pointer(&t->state.regs))) {
		s->bare_seen = true;
		point = UNSAFE_ARENA;
	}
	if (point == SAFE)
		point = borrow_ask_permit(s);
	if (point == SAFE) {
		helper_log(s->helper, "thread %d borrowed, in %s %ld", tid,
			   cpu_syscall(&t->state.regs) < 0 ? "user code" : "system call",
			   cpu_syscall(&t->state.regs));
		return 1;
	}
	borrow_refuse(s, point);
	return 0;
}

static int borrow_give_up(struct search *s)
{
	const struct target *target = s->helper->target;

	if (target_check(target, s->err))
		return -1;
	if (s->err->code == LOAD_E_PERMISSION && s->borrow->last == SAFE)
		return -1; /* none could be tried at all */
	const bool none =
		!s->borrow->tries || (int)s->borrow->tries == s->unresponsive_count;
	const pid_t parent = none ? threads_in_vfork(target) : 0;
	if (parent)
		return load_fail(
			s->err, LOAD_E_STATE, 0,
			"no thread of process %d can be stopped: thread %d waits "
			"in vfork until the child that it made starts its program "
			"or ends (what is that waiting for?); try again then",
			target->pid, parent);
	if (none)
		return load_fail(s->err, LOAD_E_STATE, 0,
				 "no thread of process %d can be stopped: all are in "
				 "uninterruptible system calls (state D), wait for a "
				 "lock of their C library's kind, or end",
				 target->pid);
	pid_t owner = calls_loader_busy(target, &target->mem);
	if (s->borrow->last == UNSAFE_LOADER && owner)
		return load_fail(s->err, LOAD_E_NO_SAFE_POINT, 0,
				 "process %d is busy in the dynamic loader (its thread "
				 "%d holds the lock): an agent can't be loaded now",
				 target->pid, owner);
	return load_fail(s->err, LOAD_E_NO_SAFE_POINT, 0,
			 "no thread of process %d was found at a place where a call is "
			 "safe, in %u tries (the last was %s)",
			 target->pid, s->borrow->tries, safepoint_name(s->borrow->last));
}

/* In the order of threads_order: those that an attach would interrupt come last. */
static int borrow_one_round(struct search *s, uint64_t deadline)
{
	const struct target *target = s->helper->target;
	struct thread list[THREADS_MAX];
	int count = threads_order(target, list);
	int used = 0;
	const unsigned most = s->borrow->max_tries;

	for (int i = 0; i < count && used < TRIES_A_ROUND; i++) {
		if (most && s->borrow->tries >= most)
			break;
		if (borrow_is_unresponsive(s, list[i].tid) ||
		    borrow_is_barred(s, list[i].tid))
			continue;
		if (s->bare_seen && list[i].rank >= THREAD_INTERRUPTED)
			break; /* an arena is the smaller evil */
		used++;
		int got = borrow_try_thread(s, list[i].tid);
		if (got)
			return got;
		if (clock_now() > deadline)
			break;
		borrow_pause_a_little(s);
	}
	if (used || !s->barred_count)
		return 0;
	*s->err = s->bar;
	return -1;
}

int borrow_thread(struct helper *helper, struct borrow *borrow, struct tracee *tracee,
		  struct load_error *err)
{
	struct load_error own;
	struct search s = { .helper = helper,
			    .borrow = borrow,
			    .tracee = tracee,
			    .err = err ? err : &own };
	const unsigned ms = injection_safe_ms(helper->options);
	uint64_t start = clock_now(), deadline = start + (uint64_t)ms * 1000000;

	memcpy(s.seed, &start, sizeof(s.seed));
	s.picky = borrow->allocates;
	do {
		s.bare_seen = false;
		if (borrow->cancellable && helper_abandoned(helper))
			return load_fail(s.err, LOAD_E_SYSTEM, ECANCELED, "cancelled");
		int got = borrow_one_round(&s, deadline);
		if (got)
			return got > 0 ? 0 : -1;
		s.picky &= !s.bare_seen;
		if (target_check(helper->target, s.err))
			return -1;
		borrow_pause_a_little(&s);
	} while (clock_now() < deadline &&
		 (!borrow->max_tries || borrow->tries < borrow->max_tries));
	return borrow_give_up(&s);
}

int borrow_give_back(struct tracee *t, int status, struct load_error *err)
{
	struct load_error late = { 0 };
	struct helper *h = t->helper;

	assert(t->helper);
	helper_step(h, NULL, "back to an event stop");
	if (t->stopped && t->changed && !t->ended &&
	    tracee_to_event_stop(t, TRACEE_BACK_MS))
		load_fail(&late, LOAD_E_TIMEOUT, 0, "thread %d didn't stop again",
			  t->tid);
	helper_step(h, NULL, "restore and detach");
	if (!late.code)
		tracee_release(t, &late);
	h->result.injection.stopped_ns += t->stopped_ns;
	helper_log(h, "thread %d was stopped for %.3f ms, resumed %u times", t->tid,
		   (double)t->stopped_ns / 1e6, t->resumes);
	if (status || !late.code)
		return status;
	*err = late;
	return -1;
}
