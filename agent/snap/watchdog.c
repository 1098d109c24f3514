/* SPDX-License-Identifier: MIT */
/* watchdog - see watchdog.h. */
#include "agent/snap/watchdog.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "agent/heap/walk.h"
#include "agent/snap/emit.h"
#include "agent/snap/grandchild.h"
#include "agent/base/invariant.h"
#include "agent/base/cpu.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"

enum { WATCHDOG_TICK_MS = 500, WATCHDOG_HANG_S = 10, WATCHDOG_STACK = 64 << 10 };

/* As the kernel takes it (its struct sigaction, which is not the C library's). */
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

struct watchdog_mark { /* what moves while the walk gets on */
	uint64_t object, objects, edges, bytes;
	const char *phase;
};

static struct {
	struct job *job;
	volatile int fired;
	int thread; /* the one that walks */
	uint64_t began_ns, limit_ns, hang_ns;
	struct watchdog_mark mark;
	uint64_t still_since, still_delay; /* when mark was taken: clock, time delayed
						 * so far */
	uint64_t tick_ns, tick_ran, tick_faults; /* at the last tick: clock, time that
						  * it had run, its page faults */
	uint64_t starved; /* in all ticks so far, see watchdog_starved */
} watchdog;

static char watchdog_stack[WATCHDOG_STACK] __attribute__((aligned(64)));

static void watchdog_timer(long ms)
{
	const struct itimerval every = {
		.it_interval = { .tv_usec = ms * 1000 },
		.it_value = { .tv_usec = ms * 1000 },
	};

	sys3(SYS_setitimer, ITIMER_REAL, &every, NULL);
}

__attribute__((noreturn)) static void watchdog_exit(void)
{
	watchdog_off();
	grandchild_exit(JOB_EXIT_FAILED);
}

__attribute__((noreturn)) static void watchdog_die(int sig, uint64_t fault)
{
	if (!grandchild_ending() && !__sync_lock_test_and_set(&watchdog.fired, 1)) {
		const bool walking = sys_gettid() == watchdog.thread;
		const uint64_t object = walking ? walk_position.object : 0;
		const char *const phase =
			walking ? walk_position.phase : "writing the snapshot";
		const char *type = walk_position.type_name;

		if (phase)
			control_channel_send(&watchdog.job->control, PYMEM_MSG_PHASE, 0,
					     0, 0, 0, phase);
		control_channel_send(&watchdog.job->control, PYMEM_MSG_CRASH,
				     (uint64_t)sig, object, fault, 0,
				     object && type ? type : "");
	}
	watchdog_exit();
}

static void watchdog_fatal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	watchdog_die(sig, info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0);
}

/* How long this thread ran, and was ready to run but had no CPU; nanoseconds. */
static bool watchdog_schedule(uint64_t *ran_ret, uint64_t *waited_ret)
{
	char buf[128];
	const char *s = buf;

	return sys_read_file("/proc/self/schedstat", buf, sizeof(buf)) > 0 &&
		phrase_parse_u64(&s, ran_ret) && *s++ == ' ' &&
		phrase_parse_u64(&s, waited_ret);
}

/* Page faults so far: fields 10 and 12 of proc(5)'s stat; the name in the second may hold
 * anything. */
static uint64_t watchdog_faults(void)
{
	char buf[512];
	uint64_t minor = 0, major = 0;
	const char *s;

	if (sys_read_file("/proc/self/stat", buf, sizeof(buf)) <= 0)
		return 0;
	s = strrchr(buf, ')');
	for (unsigned field = 3; s && field <= 12; field++) {
		s = strchr(s, ' ');
		if (s && s++ && field == 10)
			phrase_parse_u64(&s, &minor);
		else if (s && field == 12)
			phrase_parse_u64(&s, &major);
	}
	return minor + major;
}

/*
 * Nanoseconds of ticks in which it got pages but hardly ran: the kernel let it wait for
 * them (swap, a group above memory.high).  Who loops and asks for memory runs.
 */
static void watchdog_starved(uint64_t now, uint64_t ran)
{
	const uint64_t faults = watchdog_faults();

	if (faults > watchdog.tick_faults &&
	    ran - watchdog.tick_ran < (now - watchdog.tick_ns) / 2)
		watchdog.starved += now - watchdog.tick_ns;
	watchdog.tick_faults = faults;
	watchdog.tick_ran = ran;
	watchdog.tick_ns = now;
}

/* Nanoseconds in which it could not run, through no fault of its own, so far. */
static uint64_t watchdog_delay_ns(uint64_t now)
{
	uint64_t ran = 0, waited = 0;

	if (!watchdog_schedule(&ran, &waited))
		return watchdog.starved;
	watchdog_starved(now, ran);
	return waited + watchdog.starved;
}

static void watchdog_over_limits(uint64_t now)
{
	const uint64_t most = watchdog.job->start->max_memory;

	if (now - watchdog.began_ns > watchdog.limit_ns) {
		/* not proven to hang, for want of CPU; but it is where the time went */
		if (watchdog.mark.object &&
		    now - watchdog.still_since > watchdog.limit_ns / 4)
			watchdog_die(SIGALRM, 0);
		job_fail(watchdog.job, PYMEM_FAIL_WALK, ETIMEDOUT,
			 "the walk did not end within the time allowed to the copy");
		watchdog_exit();
	}
	if (most && emit_dirty_bytes() > most) {
		job_fail(watchdog.job, PYMEM_FAIL_MEMORY, ENOMEM,
			 "the copy came to need more memory than it was allowed");
		watchdog_exit();
	}
}

static void watchdog_tick(int sig, siginfo_t *info, void *context)
{
	const uint64_t now = sys_now_ns(), delay = watchdog_delay_ns(now);
	const struct watchdog_mark mark = {
		.object = walk_position.object,
		.objects = walk_position.objects,
		.edges = walk_position.edges,
		.phase = walk_position.phase,
		.bytes = watchdog.job->stream.bytes,
	};

	(void)info;
	(void)context;
	watchdog_over_limits(now);
	if (watchdog.job->stream.blocked || mark.object != watchdog.mark.object ||
	    mark.objects != watchdog.mark.objects || mark.edges != watchdog.mark.edges ||
	    mark.phase != watchdog.mark.phase || mark.bytes != watchdog.mark.bytes) {
		watchdog.mark = mark;
		watchdog.still_since = now;
		watchdog.still_delay = delay;
		return;
	}
	if (now - watchdog.still_since >
	    watchdog.hang_ns + (delay - watchdog.still_delay))
		watchdog_die(sig, 0);
}

static void watchdog_handle(int sig, void (*handler)(int, siginfo_t *, void *),
			    uint64_t mask)
{
	const struct kernel_sigaction action = {
		.handler = handler,
		.mask = mask,
		.restorer = cpu_sigreturn,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER,
	};

	sys_note(SYS_rt_sigreturn);
	sys4(SYS_rt_sigaction, sig, &action, NULL, 8);
}

void watchdog_install(struct job *job)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
				     SIGABRT, SIGSYS, SIGTRAP };
	const uint32_t asked_s = job->start->child_timeout_s;
	const uint32_t limit_s = asked_s ? asked_s : 600;
	const stack_t stack = { .ss_sp = watchdog_stack,
				.ss_size = sizeof(watchdog_stack) };
	const uint64_t alarm_bit = 1ULL << (SIGALRM - 1);
	uint64_t open = alarm_bit;

	INVARIANT(!watchdog.job);
	watchdog.job = job;
	watchdog.thread = sys_gettid();
	watchdog.began_ns = watchdog.still_since = watchdog.tick_ns = sys_now_ns();
	watchdog.still_delay = watchdog_delay_ns(watchdog.began_ns);
	watchdog.limit_ns = (uint64_t)limit_s * 1000000000u;
	watchdog.hang_ns = WATCHDOG_HANG_S * 1000000000ull;
	if (watchdog.hang_ns > watchdog.limit_ns / 2)
		watchdog.hang_ns = watchdog.limit_ns / 2;
	sys2(SYS_sigaltstack, &stack, NULL);
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		watchdog_handle(fatal[i], watchdog_fatal, alarm_bit);
		open |= 1ULL << (fatal[i] - 1);
	}
	watchdog_handle(SIGALRM, watchdog_tick, 0);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &open, NULL, 8);
	watchdog_timer(WATCHDOG_TICK_MS);
}

void watchdog_off(void)
{
	watchdog_timer(0);
}
