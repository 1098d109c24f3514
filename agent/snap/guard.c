/* SPDX-License-Identifier: MIT */
/* guard - see guard.h. */
#include "agent/snap/guard.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "agent/heap/walk.h"
#include "agent/snap/emit.h"
#include "agent/snap/walker.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

enum { GUARD_TICK_MS = 500, GUARD_HANG_S = 10, GUARD_STACK = 64 << 10 };

/* As the kernel takes it (include/uapi/asm-generic/signal.h; x86 is the same). */
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

void guard_return(void); /* the assembly below */
#if defined(__x86_64__)
__asm__(".text\n.hidden guard_return\n.globl guard_return\n.type guard_return,@function\n"
	"guard_return:\n\tmov $15, %eax\n\tsyscall\n.size guard_return,.-guard_return\n");
#elif defined(__aarch64__)
__asm__(".text\n.hidden guard_return\n.globl guard_return\n.type guard_return,%function\n"
	"guard_return:\n\tmov x8, 139\n\tsvc 0\n.size guard_return,.-guard_return\n");
#endif

struct guard_mark { /* what moves while the walk gets on */
	uint64_t object, objects, edges, bytes;
	const char *phase;
};

static struct {
	struct capture *capture;
	volatile int fired;
	int walker; /* the thread that walks */
	uint64_t began_ns, limit_ns, hang_ns;
	struct guard_mark mark;
	uint64_t still_since, still_delay; /* when mark was taken: clock, time waited
						 * for a CPU so far */
} guard;

static char guard_stack[GUARD_STACK] __attribute__((aligned(64)));

__attribute__((noreturn)) static void guard_die(int sig, uint64_t fault)
{
	if (!walker_ending() && !__sync_lock_test_and_set(&guard.fired, 1)) {
		const bool walking = sys_gettid() == guard.walker;
		const uint64_t object = walking ? walk_position.object : 0;
		const char *const phase =
			walking ? walk_position.phase : "writing the snapshot";
		const char *type = walk_position.type_name;

		if (phase)
			control_send(&guard.capture->control, PYMEM_MSG_PHASE, 0, 0, 0, 0,
				     phase);
		control_send(&guard.capture->control, PYMEM_MSG_CRASH, (uint64_t)sig,
			     object, fault, 0, object && type ? type : "");
	}
	walker_exit(CAPTURE_EXIT_FAILED);
}

static void guard_fatal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	guard_die(sig, info->si_code > 0 ? (uint64_t)(uintptr_t)info->si_addr : 0);
}

/* Nanoseconds this thread was ready to run but had no CPU. */
static uint64_t guard_delay_ns(void)
{
	char buf[128];
	const char *s = buf;
	uint64_t ran, waited;

	if (sys_read_file("/proc/self/schedstat", buf, sizeof(buf)) <= 0 ||
	    !text_parse_u64(&s, &ran) || *s++ != ' ' || !text_parse_u64(&s, &waited))
		return 0;
	return waited;
}

static void guard_over_limits(uint64_t now)
{
	const uint64_t most = guard.capture->start->max_memory;

	if (now - guard.began_ns > guard.limit_ns) {
		/* not proven to hang, for want of CPU; but it is where the time went */
		if (guard.mark.object && now - guard.still_since > guard.limit_ns / 4)
			guard_die(SIGALRM, 0);
		capture_fail(guard.capture, PYMEM_FAIL_WALK, ETIMEDOUT,
			     "the walk did not end within the time allowed to the copy");
		walker_exit(CAPTURE_EXIT_FAILED);
	}
	if (most && emit_dirty_bytes() > most) {
		capture_fail(guard.capture, PYMEM_FAIL_MEMORY, ENOMEM,
			     "the copy came to need more memory than it was allowed");
		walker_exit(CAPTURE_EXIT_FAILED);
	}
}

static void guard_tick(int sig, siginfo_t *info, void *context)
{
	const uint64_t now = sys_now_ns(), delay = guard_delay_ns();
	const struct guard_mark mark = {
		.object = walk_position.object,
		.objects = walk_position.objects,
		.edges = walk_position.edges,
		.phase = walk_position.phase,
		.bytes = guard.capture->stream.bytes,
	};

	(void)info;
	(void)context;
	guard_over_limits(now);
	if (guard.capture->stream.blocked || mark.object != guard.mark.object ||
	    mark.objects != guard.mark.objects || mark.edges != guard.mark.edges ||
	    mark.phase != guard.mark.phase || mark.bytes != guard.mark.bytes) {
		guard.mark = mark;
		guard.still_since = now;
		guard.still_delay = delay;
		return;
	}
	if (now - guard.still_since > guard.hang_ns + (delay - guard.still_delay))
		guard_die(sig, 0);
}

static void guard_handle(int sig, void (*handler)(int, siginfo_t *, void *),
			 uint64_t mask)
{
	const struct kernel_sigaction action = {
		.handler = handler,
		.mask = mask,
		.restorer = guard_return,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER,
	};

	sys4(SYS_rt_sigaction, sig, &action, NULL, 8);
}

static void guard_timer(long ms)
{
	const struct itimerval every = {
		.it_interval = { .tv_usec = ms * 1000 },
		.it_value = { .tv_usec = ms * 1000 },
	};

	sys3(SYS_setitimer, ITIMER_REAL, &every, NULL);
}

void guard_install(struct capture *c)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
				     SIGABRT, SIGSYS, SIGTRAP };
	const uint32_t asked_s = c->start->child_timeout_s;
	const uint32_t limit_s = asked_s ? asked_s : 600;
	const stack_t stack = { .ss_sp = guard_stack, .ss_size = sizeof(guard_stack) };
	const uint64_t alarm_bit = 1ULL << (SIGALRM - 1);
	uint64_t open = alarm_bit;

	guard.capture = c;
	guard.walker = sys_gettid();
	guard.began_ns = guard.still_since = sys_now_ns();
	guard.still_delay = guard_delay_ns();
	guard.limit_ns = (uint64_t)limit_s * 1000000000u;
	guard.hang_ns = GUARD_HANG_S * 1000000000ull;
	if (guard.hang_ns > guard.limit_ns / 2)
		guard.hang_ns = guard.limit_ns / 2;
	sys2(SYS_sigaltstack, &stack, NULL);
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		guard_handle(fatal[i], guard_fatal, alarm_bit);
		open |= 1ULL << (fatal[i] - 1);
	}
	guard_handle(SIGALRM, guard_tick, 0);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &open, NULL, 8);
	guard_timer(GUARD_TICK_MS);
}

void guard_off(void)
{
	guard_timer(0);
}
