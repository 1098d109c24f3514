/* SPDX-License-Identifier: MIT */
/* watch - see watch.h. */
#include "agent/trigger/watch.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#include "agent/python/binding.h"
#include "agent/python/version_text.h"
#include "agent/base/libc.h"
#include "agent/base/sys.h"
#include "agent/trigger/control_socket.h"
#include "agent/trigger/growth.h"
#include "agent/trigger/hooks.h"
#include "agent/trigger/limit.h"
#include "agent/trigger/manner.h"
#include "agent/trigger/notice.h"
#include "agent/trigger/pressure.h"
#include "agent/trigger/trigger_capture.h"
#include "agent/base/worker.h"

enum {
	WATCH_EAGER_NS = 500000,  /* between looks for the interpreter at first */
	WATCH_GIVE_UP_S = 300,	  /* a program that links libpython and never starts it */
	WATCH_LOOK_NS = 10000000, /* first wait between looks at the signal's handler */
};
#define WATCH_LOOK_MAX_NS 300000000000ull
/* ... for the text of an interpreter that has it elsewhere than others do */
#define WATCH_TEXT_NS 2000000000ull

static struct {
	const struct trigger_config *config;
	control_socket_start *start;
	struct worker worker;
	struct sigaction before; /* of PYMEM_SIGNAL */
	volatile int wanted;	 /* the signal came: to the process of this number */
	volatile unsigned asked; /* how often, since the last snapshot for one */
	bool handling, forked;
	/* once in a process and its children */
	bool theirs_said, again_said, merged_said;
	uint64_t look_due, look_wait;
	uint64_t interval_due;
	const struct pressure_alarm *pressure; /* NULL = nothing told of it */
	const struct cpython *py;
} watch;

/* ---- the signal ---- */

static void watch_signal(int sig, siginfo_t *info, void *context)
{
	const int own = watch.worker.tid;
	const bool passed_on = sys_gettid() == own && info->si_code == SI_TKILL &&
		info->si_pid == sys_getpid();

	if (!passed_on)
		__sync_fetch_and_add(&watch.asked, 1);
	watch.wanted = sys_getpid();
	if (sys_gettid() == own)
		return;
	sys3(SYS_tgkill, sys_getpid(), own, sig);
	if (watch.before.sa_flags & SA_SIGINFO) {
		if (watch.before.sa_sigaction)
			watch.before.sa_sigaction(sig, info, context);
	} else if (watch.before.sa_handler != SIG_DFL &&
		   watch.before.sa_handler != SIG_IGN) {
		watch.before.sa_handler(sig);
	}
}

static bool watch_arm(int sig, struct sigaction *before_ret)
{
	struct sigaction action = { .sa_sigaction = watch_signal,
				    .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	return sigaction(sig, &action, before_ret) == 0;
}

static void watch_handle(int sig)
{
	if (sig && !watch.handling)
		watch.handling = watch_arm(sig, &watch.before);
}

static bool watch_is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == watch_signal;
}

/*
 * Is the signal still ours?  A handler that the application set since is left to it.
 * Where it put the default back (as gunicorn does in each worker), the signal would end
 * it: ours is set again.
 */
static void watch_look(uint64_t now)
{
	const int sig = watch.config->signal;
	struct sigaction action;

	if (!watch.handling || now < watch.look_due)
		return;
	watch.look_due = now + watch.look_wait;
	if (watch.look_wait < WATCH_LOOK_MAX_NS)
		watch.look_wait *= 2;
	if (sigaction(sig, NULL, &action) || watch_is_ours(&action))
		return;
	if (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL) {
		watch_arm(sig, &watch.before);
		if (!watch.again_said)
			notice_say(
				"PYMEM_SIGNAL: the program gave the signal its default "
				"back, which ends a process; it is ours again",
				NULL);
		watch.again_said = true;
		return;
	}
	if (!watch.theirs_said)
		notice_say("PYMEM_SIGNAL: the program uses this signal itself, where it "
			   "does no snapshots are taken on it (PYMEM_SIGNAL=1 takes one "
			   "that programs don't use)",
			   NULL);
	watch.theirs_said = true;
}

/* ---- the thread ---- */

extern int Py_IsInitialized(void) __attribute__((weak));

/* 3.6 says that it is initialised before sys is there, and with it the version's text. */
static bool watch_is_ready(uint64_t initialised_ns)
{
	char text[64];

	return initialised_ns &&
		(version_text_find((const void *)Py_IsInitialized, text, sizeof(text)) ||
		 sys_now_ns() - initialised_ns > WATCH_TEXT_NS);
}

/* False when the interpreter never comes, or is none of ours. */
static bool watch_interpreter(void)
{
	const uint64_t began = sys_now_ns();
	uint64_t initialised = 0;
	char err[256] = "";

	while (!watch_is_ready(initialised)) {
		const uint64_t waited = sys_now_ns() - began;
		struct timespec t = { .tv_nsec = WATCH_EAGER_NS };

		if (!initialised && Py_IsInitialized()) {
			initialised = sys_now_ns();
			continue;
		}
		if (waited > WATCH_GIVE_UP_S * 1000000000ull)
			return false;
		if (waited > 2000000000) /* not a python that starts: look less often */
			t.tv_nsec = 100000000;
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
	}
	hooks_await(watch.config);
	watch.py = cpython_bind(err, sizeof(err));
	if (watch.py)
		return true;
	notice_say("no snapshots will be taken", err);
	hooks_give_up();
	return false;
}

static uint64_t watch_sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Nanoseconds to the next thing to do by time; UINT64_MAX = none. */
static uint64_t watch_next(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	if (watch.config->interval_ns)
		next = watch.interval_due > now ? watch.interval_due - now : 0;
	if (watch.handling)
		next = watch_sooner(next,
				    watch.look_due > now ? watch.look_due - now : 0);
	if (limit_active())
		next = watch_sooner(next, limit_due(now));
	next = watch_sooner(next, pressure_due(now));
	if (growth_active())
		next = watch_sooner(next, growth_due(now));
	return next;
}

static void watch_sleep(void)
{
	struct pollfd p[1 + PRESSURE_SOURCES] = { { .fd = control_socket_fd(),
						    .events = POLLIN } };
	const unsigned count = 1 + pressure_poll(p + 1);
	const uint64_t next = watch_next(sys_now_ns());
	const struct timespec t = { .tv_sec = (time_t)(next / 1000000000u),
				    .tv_nsec = (long)(next % 1000000000u) };
	const int sig = watch.config->signal;
	const uint64_t mask = sig ? ~(1ULL << (sig - 1)) : ~0ULL;

	if (watch.wanted)
		return;
	if (sys5(SYS_ppoll, p, count, next == UINT64_MAX ? NULL : &t, &mask, 8) <= 0)
		return;
	if (p[0].revents)
		control_socket_answer();
	watch.pressure = pressure_heard(p + 1);
}

/* A snapshot because memory gets short; the result is trigger_capture_take's. */
static int watch_take_short(const char *why, enum allowance_cause cause)
{
	const struct trigger_cause how = { .why = why,
					   .context = JOB_WORKER,
					   .waiting = limit_waiting,
					   .stand_still = limit_hurries(),
					   .cause = cause };

	return trigger_capture_take(watch.config, &how);
}

static void watch_memory(void)
{
	enum allowance_cause cause = ALLOWANCE_ASKED;
	const char *const line = limit_active() ? limit_crossed(&cause) : NULL;
	const struct pressure_alarm *const pressure =
		watch.pressure ? watch.pressure : pressure_seen(sys_now_ns());

	watch.pressure = NULL;
	if (line) {
		const int rc = watch_take_short(line, cause);

		if (rc == -EBUSY || rc == -EDQUOT)
			limit_refused();
	}
	if (pressure) {
		const int rc = watch_take_short(pressure->name, pressure->cause);

		if (rc == -EBUSY || rc == -EDQUOT)
			pressure_refused();
	}
	if (growth_seen(sys_now_ns()))
		watch_take_short("growth", ALLOWANCE_GROWTH);
}

static void watch_take_asked(void)
{
	static const struct trigger_cause on_signal = { .why = "signal",
							.context = JOB_WORKER,
							.cause = ALLOWANCE_ASKED };

	if (!__sync_lock_test_and_set(&watch.wanted, 0))
		return;
	if (__sync_lock_test_and_set(&watch.asked, 0) > 1 && !watch.merged_said) {
		notice_say(
			"PYMEM_SIGNAL: signals came faster than snapshots can be taken; "
			"one is taken for all that came in the meantime",
			NULL);
		watch.merged_said = true;
	}
	trigger_capture_take(watch.config, &on_signal);
}

static void watch_act(void)
{
	static const struct trigger_cause on_time = { .why = "interval",
						      .context = JOB_WORKER,
						      .cause = ALLOWANCE_ASKED };
	const struct trigger_config *config = watch.config;
	uint64_t now;

	watch_take_asked();
	watch_memory();
	now = sys_now_ns();
	watch_look(now);
	if (config->interval_ns && now >= watch.interval_due) {
		trigger_capture_take(config, &on_time);
		now = sys_now_ns();
		do /* a slow snapshot skips beats, it does not pile them up */
			watch.interval_due += config->interval_ns;
		while (watch.interval_due <= now);
	}
}

static bool watch_needed(const struct trigger_config *config)
{
	return config->signal || config->interval_ns || limit_active() ||
		pressure_active() || growth_active() || control_socket_fd() >= 0;
}

/* Code of ours is in signal handlers and queues now: never unload it. */
static void watch_stay(void)
{
	Dl_info info;

	if (dladdr(&watch, &info) && info.dli_fname)
		dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

/* In a forked child, when it is whole. */
static void watch_again(void)
{
	if (watch.forked && worker_start(&watch.worker) < 0)
		notice_say("no thread could be made, no snapshots will be taken", NULL);
}

static void watch_thread(void *arg)
{
	const struct trigger_config *config = watch.config;

	(void)arg;
	if (!watch.forked)
		watch_stay();
	if (!watch_interpreter())
		return;
	if (!watch.forked)
		hooks_install(config, watch.py, watch_again);
	manner_reserve(config); /* in a forked child */
	limit_begin(config);
	growth_begin(config);
	pressure_begin(config);
	control_socket_open(config->control, config->values > 0, watch.start);
	watch.interval_due = sys_now_ns() + config->interval_ns;
	watch.look_due = 0;
	watch.look_wait = WATCH_LOOK_NS;
	while (watch_needed(config) && !cpython_finalizing(watch.py)) {
		watch_sleep();
		watch_act();
	}
}

int watch_start(const struct trigger_config *config, control_socket_start *start)
{
	watch.start = start;
	watch.config = config;
	watch.worker.run = watch_thread;
	watch.worker.name = "pymem-watch";
	watch.wanted = 0;
	watch_handle(config->signal);
	if (config_signal_is_borrowed(config->signal) && !config->marked)
		notice_say("PYMEM_SIGNAL: this signal ends a process that doesn't handle "
			   "it, and programs use it themselves; PYMEM_SIGNAL=1 takes one "
			   "that they don't",
			   NULL);
	return worker_start(&watch.worker);
}

void watch_forget(void)
{
	const int asked = watch.wanted;

	watch.forked = true;
	watch.worker.tid = 0;
	if (asked != sys_getpid()) { /* one that came to the child is the child's */
		watch.asked = 0;
		__sync_bool_compare_and_swap(&watch.wanted, asked, 0);
	}
	control_socket_forget();
	pressure_forget();
	hooks_in_child();
}

void watch_exit(void)
{
	control_socket_remove();
}
