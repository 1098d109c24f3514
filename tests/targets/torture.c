/* SPDX-License-Identifier: MIT */
/*
 * torture - a program that notices whatever an injection does to it.
 *
 *	torture MODE [NUMBER] [FILE]
 *
 * Prints "ready" when all its threads are at work, works until its standard input
 * ends, then prints "ok N" (N rounds of work done, everything right) or "bad: what".
 * Modes:
 *  malloc T      T threads allocate, fill, check, free
 *  dlopen T FILE T threads load and unload a library
 *  sigprof T     malloc as above, interrupted by SIGPROF at 1 kHz
 *  idle T        T threads wait on a condition
 *  deep N        recursion N deep, with work at the bottom
 *  small T       T threads of 16 KiB stacks, working
 *  registers     vector, mask, x87 registers, mxcsr, red zone, errno
 *  rseq          a restartable sequence that counts
 *  signals       100 Hz SIGALRM and a storm of SIGUSR1 to itself: all are counted
 *  faults        SIGSEGV and its like sent to the main thread, each with a value
 *  bare T        T threads that never allocated wait, then one that did; main in epoll
 *  locks         a thread holds a mutex (torture_mutex) and stderr's lock for good
 *  vfork T       one thread is in vfork for 2 s, its child sleeps; T others wait
 *  dispositions  SIGTRAP ignored, SIGSEGV caught and blocked, alternate stack
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "torture_registers.h"

static atomic_bool stop;
static atomic_ulong rounds;
static atomic_int begun; /* threads that are at their work */
static char bad[200];
static atomic_bool failed;
static const char *library;

static void complain(const char *what)
{
	if (!atomic_exchange(&failed, true))
		snprintf(bad, sizeof(bad), "%s", what);
	atomic_store(&stop, true);
}

/* The calling thread is at its work from now on. */
static void here(void)
{
	static _Thread_local bool told;

	if (!told)
		atomic_fetch_add(&begun, 1);
	told = true;
}

static void did_round(void)
{
	atomic_fetch_add(&rounds, 1);
	here();
}

/* ---- malloc ---- */

static void *storm(void *arg)
{
	enum { SLOTS = 64 };
	unsigned char *slot[SLOTS] = { NULL };
	size_t size[SLOTS] = { 0 };
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	while (!atomic_load(&stop)) {
		seed = seed * 1664525 + 1013904223;
		unsigned i = seed >> 8 & (SLOTS - 1);
		if (slot[i]) {
			unsigned char want = (unsigned char)(size[i] * 7 + i);
			if (slot[i][0] != want || slot[i][size[i] - 1] != want)
				complain("memory changed");
			free(slot[i]);
		}
		size[i] = 1 + (seed >> 16 & 0xfff) * ((seed >> 28) == 0 ? 64 : 1);
		slot[i] = malloc(size[i]);
		if (!slot[i]) {
			complain("malloc failed");
			break;
		}
		memset(slot[i], (unsigned char)(size[i] * 7 + i), size[i]);
		did_round();
	}
	for (int i = 0; i < SLOTS; i++)
		free(slot[i]);
	return NULL;
}

/* ---- dlopen ---- */

static void *load_loop(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		void *handle = dlopen(library, RTLD_NOW);
		if (!handle) {
			complain(dlerror());
			break;
		}
		if (!dlsym(handle, "pymem_agent_start"))
			complain("dlsym failed");
		dlclose(handle);
		did_round();
	}
	return NULL;
}

/* ---- waiting ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void *wait_loop(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	here();
	while (!atomic_load(&stop))
		pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* Only the last of them ever calls malloc. */
static int bare_count;

static void *bare_loop(void *arg)
{
	if ((uintptr_t)arg + 1 == (uintptr_t)bare_count) {
		void *volatile block = malloc(100);
		free(block);
	}
	did_round();
	return wait_loop(NULL);
}

/* The main thread waits where an attach would be seen. */
static void wait_in_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(0);
	epoll_ctl(fd, EPOLL_CTL_ADD, 0, &event);
	if (epoll_wait(fd, &event, 1, 600000) < 0)
		complain("epoll_wait was interrupted");
	atomic_store(&stop, true);
	pthread_mutex_lock(&mutex);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
}

/* ---- recursion ---- */

static uint64_t deep(unsigned n)
{
	volatile uint64_t here[4] = { n, n * 3, ~(uint64_t)n, 1 };
	uint64_t below;
	if (!n) {
		for (unsigned i = 0; i < 20000 && !atomic_load(&stop); i++)
			here[3] = here[3] * 31 + 7;
		did_round();
		return 1;
	}
	below = deep(n - 1);
	if (here[0] != n || here[1] != (uint64_t)n * 3 || here[2] != ~(uint64_t)n)
		complain("stack changed");
	return below + 1;
}

static unsigned depth;

static void *deep_loop(void *arg)
{
	(void)arg;
	here();
	while (!atomic_load(&stop))
		if (deep(depth) != (uint64_t)depth + 1)
			complain("wrong depth");
	return NULL;
}

/* ---- registers ---- */

static void *register_loop(void *arg)
{
	if (!torture_registers_known())
		return deep_loop(arg);
	while (!atomic_load(&stop)) {
		const char *const changed = torture_registers_changed();

		if (changed)
			complain(changed);
		did_round();
	}
	return NULL;
}

/* ---- signals ---- */

static atomic_ulong alarms, users, sent;

static void on_alarm(int sig)
{
	(void)sig;
	atomic_fetch_add(&alarms, 1);
}

static void on_user(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	atomic_fetch_add(&users, 1);
}

static void *signal_loop(void *arg)
{
	(void)arg;
	const int sig = SIGRTMIN + 3; /* queued: every one counts */
	struct sigaction action = { .sa_sigaction = on_user, .sa_flags = SA_SIGINFO };
	sigaction(sig, &action, NULL);
	while (!atomic_load(&stop)) {
		union sigval value = { .sival_int = 1 };
		if (!sigqueue(getpid(), sig, value))
			atomic_fetch_add(&sent, 1);
		here();
		if (atomic_fetch_add(&rounds, 1) % 64 == 0)
			usleep(500);
	}
	for (int i = 0; i < 1000 && atomic_load(&users) != atomic_load(&sent); i++)
		usleep(1000);
	if (atomic_load(&users) != atomic_load(&sent))
		complain("signals were lost or doubled");
	return NULL;
}

static void start_timer(int which, long microseconds, int sig, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };
	sigaction(sig, &action, NULL);
	setitimer(which, &timer, NULL);
}

/* ---- signals of faults that somebody sends ---- */

enum { FAULTS = 5, FAULT_SECONDS = 60 };
static const int fault_signals[FAULTS] = { SIGTRAP, SIGBUS, SIGFPE, SIGILL, SIGSEGV };
static atomic_int fault_values[FAULTS]; /* the last that came */

static void on_sent_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code > 0) /* a true one */
		_exit(4);
	if (info->si_code != SI_QUEUE)
		complain("what came with a signal was lost");
	for (int i = 0; i < FAULTS; i++)
		if (fault_signals[i] == sig)
			atomic_store(&fault_values[i], info->si_value.sival_int);
}

static void send_fault(int sig, int value)
{
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE };

	info.si_value.sival_int = value;
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), sig, &info))
		complain("a signal can't be sent");
}

static void await_fault(int i, int value)
{
	const time_t began = time(NULL);

	while (atomic_load(&fault_values[i]) != value && !atomic_load(&failed)) {
		sched_yield();
		if (time(NULL) > began + FAULT_SECONDS)
			complain("a signal was lost");
	}
}

/* All five at a time, so that more than one waits for a thread that isn't its own. */
static void *fault_loop(void *arg)
{
	(void)arg;
	struct sigaction action = { .sa_sigaction = on_sent_fault,
				    .sa_flags = SA_SIGINFO | SA_RESTART };
	for (int i = 0; i < FAULTS; i++)
		sigaction(fault_signals[i], &action, NULL);
	for (int value = 1; !atomic_load(&stop); value++) {
		for (int i = 0; i < FAULTS; i++)
			send_fault(fault_signals[i], value);
		for (int i = 0; i < FAULTS; i++)
			await_fault(i, value);
		did_round();
	}
	return NULL;
}

/* ---- dispositions ---- */

static void on_fault(int sig)
{
	(void)sig;
	complain("a fault was delivered");
}

static char alternate[65536];

static void *disposition_loop(void *arg)
{
	(void)arg;
	sigset_t set, now;
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) }, seen;
	struct sigaction fault = { .sa_handler = on_fault }, got;
	sigaltstack(&stack, NULL);
	signal(SIGTRAP, SIG_IGN);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGTRAP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!atomic_load(&stop)) {
		for (volatile int i = 0; i < 200000; i++)
			;
		sigaction(SIGTRAP, NULL, &got);
		if (got.sa_handler != SIG_IGN)
			complain("SIGTRAP is no longer ignored");
		sigaction(SIGSEGV, NULL, &got);
		if (got.sa_handler != on_fault)
			complain("the SIGSEGV handler is gone");
		pthread_sigmask(SIG_BLOCK, NULL, &now);
		if (!sigismember(&now, SIGSEGV) || !sigismember(&now, SIGTRAP) ||
		    sigismember(&now, SIGUSR1))
			complain("the signal mask changed");
		sigaltstack(NULL, &seen);
		if (seen.ss_sp != alternate || seen.ss_flags)
			complain("the alternate stack changed");
		did_round();
	}
	return NULL;
}

/* ---- a restartable sequence ---- */

#if defined(__x86_64__)
#define RSEQ_SIGNATURE 0x53053053
#define RSEQ_TRY(section_, commits_, aborts_) \
	__asm__ volatile(".pushsection .data.rseq_cs, \"aw\"\n .balign 32\n" \
			 "3: .long 0, 0\n .quad 1f, (2f - 1f), 4f\n .popsection\n" \
			 "lea 3b(%%rip), %%rax\n mov %%rax, %[section]\n" \
			 "1: mov $20000, %%ecx\n 5: dec %%ecx\n jnz 5b\n" \
			 "incq %[commits]\n" \
			 "2: jmp 6f\n" \
			 ".long 0x53053053\n" \
			 "4: incq %[aborts]\n" \
			 "6:\n" \
			 : [section] "=m"(section_), [commits] "+m"(commits_), \
			   [aborts] "+m"(aborts_) \
			 : \
			 : "rax", "rcx", "cc", "memory")
#elif defined(__aarch64__)
#define RSEQ_SIGNATURE 0xd428bc00
#define RSEQ_TRY(section_, commits_, aborts_) \
	__asm__ volatile( \
		".pushsection .data.rseq_cs, \"aw\"\n .balign 32\n" \
		"3: .word 0, 0\n .quad 1f, (2f - 1f), 4f\n .popsection\n" \
		"adrp x9, 3b\n add x9, x9, :lo12:3b\n str x9, %[section]\n" \
		"1: mov w9, 20000\n 5: sub w9, w9, 1\n cbnz w9, 5b\n" \
		"ldr x10, %[commits]\n add x10, x10, 1\n str x10, %[commits]\n" \
		"2: b 6f\n" \
		".inst 0xd428bc00\n" \
		"4: ldr x10, %[aborts]\n add x10, x10, 1\n str x10, %[aborts]\n" \
		"6:\n" \
		: [section] "=m"(section_), [commits] "+m"(commits_), \
		  [aborts] "+m"(aborts_) \
		: \
		: "x9", "x10", "cc", "memory")
#endif

#if defined(RSEQ_TRY) && defined(SYS_rseq)
static struct {
	uint32_t cpu_id_start, cpu_id;
	uint64_t section;
	uint32_t flags;
} __attribute__((aligned(32))) rseq_area;

/*
 * A long sequence: r counts inside, the count is committed by its last
 * instruction.  If it is interrupted the kernel goes to the abort handler; if
 * its protection were lost the commit would happen after an interruption, with
 * a stale copy (checked against a second counter kept by the abort handler).
 */
static void *rseq_loop(void *arg)
{
	(void)arg;
	syscall(SYS_rseq, &rseq_area, sizeof(rseq_area), 0, RSEQ_SIGNATURE);
	unsigned long commits = 0, aborts = 0, tries = 0;
	while (!atomic_load(&stop)) {
		unsigned long old = commits;
		tries++;
		RSEQ_TRY(rseq_area.section, commits, aborts);
		if (commits + aborts != tries || commits > old + 1)
			complain("a restartable sequence was neither committed nor "
				 "aborted");
		did_round();
	}
	return NULL;
}
#else
static void *rseq_loop(void *arg)
{
	return deep_loop(arg);
}
#endif

/* ---- locks ---- */

/* mini_agent takes it, too */
__attribute__((visibility("default"))) pthread_mutex_t torture_mutex =
	PTHREAD_MUTEX_INITIALIZER;

static void *hold_locks(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&torture_mutex);
	flockfile(stderr);
	while (!atomic_load(&stop)) {
		usleep(1000);
		did_round();
	}
	if (pthread_mutex_trylock(&torture_mutex) != EBUSY)
		complain("somebody opened the lock");
	funlockfile(stderr);
	pthread_mutex_unlock(&torture_mutex);
	return NULL;
}

/* A child that uses our memory and does nothing but sleep. */
static void *vfork_loop(void *arg)
{
	static atomic_int first;
	if (atomic_fetch_add(&first, 1))
		return wait_loop(arg);
	const struct timespec two = { 2, 0 };
	here();
	pid_t child = vfork();
	if (!child) {
		syscall(SYS_nanosleep, &two, NULL);
		_exit(0);
	}
	if (child < 0)
		complain("vfork failed");
	did_round();
	return NULL;
}

/* ---- main ---- */

static const struct {
	const char *name;
	void *(*work)(void *);
	size_t stack;
} modes[] = {
	{ "malloc", storm, 0 },
	{ "dlopen", load_loop, 0 },
	{ "sigprof", storm, 0 },
	{ "idle", wait_loop, 65536 },
	{ "deep", deep_loop, (size_t)256 << 20 },
	{ "small", deep_loop, 16384 },
	{ "registers", register_loop, 0 },
	{ "rseq", rseq_loop, 0 },
	{ "signals", signal_loop, 0 },
	{ "faults", fault_loop, 0 },
	{ "dispositions", disposition_loop, 0 },
	{ "bare", bare_loop, 0 },
	{ "locks", hold_locks, 0 },
	{ "vfork", vfork_loop, 0 },
};

static void *watch_input(void *arg)
{
	char byte;
	(void)arg;
	ssize_t n;
	here();
	while ((n = read(0, &byte, 1)) > 0 || (n < 0 && errno == EINTR))
		;
	atomic_store(&stop, true);
	pthread_mutex_lock(&mutex);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void spawn(pthread_t *thread, void *(*work)(void *), size_t stack, uintptr_t arg)
{
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	if (pthread_create(thread, &attr, work, (void *)arg)) {
		printf("bad: no thread\n");
		exit(3);
	}
	pthread_attr_destroy(&attr);
}

/* One thread only: the main thread works itself and looks at its input in between. */
static void *work_alone(void *arg)
{
	(void)arg;
	struct pollfd p = { 0, POLLIN, 0 };
	while (!atomic_load(&stop)) {
		unsigned char *block[50];
		for (int i = 0; i < 50; i++) {
			size_t size = 16 + (size_t)(i * 37 % 3000);
			block[i] = malloc(size);
			memset(block[i], i, size);
		}
		for (int i = 0; i < 50; i++) {
			if (block[i][0] != i || block[i][15] != i)
				complain("memory changed");
			free(block[i]);
		}
		if (atomic_fetch_add(&rounds, 1) % 200 == 0 && poll(&p, 1, 0) > 0)
			atomic_store(&stop, true);
	}
	return NULL;
}

static void say_ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t mode = 0, count = sizeof(modes) / sizeof(modes[0]);
	int number = argc > 2 ? atoi(argv[2]) : 1;
	library = argc > 3 ? argv[3] : NULL;
	while (mode < count && (argc < 2 || strcmp(argv[1], modes[mode].name)))
		mode++;
	if (mode == count)
		return 2;
	bare_count = number;
	bool alone = modes[mode].work == storm && number == 1;
	depth = modes[mode].stack == 16384 ? 20 :
		modes[mode].stack	   ? (unsigned)number :
					     10;
	int threads =
		modes[mode].work == deep_loop && modes[mode].stack != 16384 ? 1 : number;
	pthread_t input, *worker = calloc((size_t)threads, sizeof(*worker));
	if (!strcmp(argv[1], "sigprof"))
		start_timer(ITIMER_PROF, 1000, SIGPROF, on_alarm);
	if (!strcmp(argv[1], "signals"))
		start_timer(ITIMER_REAL, 10000, SIGALRM, on_alarm);
	if (alone) {
		say_ready();
		work_alone(NULL);
	} else {
		for (int i = 0; i < threads; i++)
			spawn(&worker[i], modes[mode].work, modes[mode].stack,
			      (uintptr_t)i);
		const bool watched = modes[mode].work != bare_loop;
		if (watched)
			spawn(&input, watch_input, 0, 0);
		while (atomic_load(&begun) < threads + watched && !atomic_load(&failed))
			usleep(1000);
		say_ready();
		if (!watched)
			wait_in_epoll();
		for (int i = 0; i < threads; i++)
			pthread_join(worker[i], NULL);
	}
	if (atomic_load(&failed))
		printf("bad: %s\n", bad);
	else
		printf("ok %lu\n", atomic_load(&rounds));
	fflush(stdout);
	return atomic_load(&failed) ? 3 : 0;
}
