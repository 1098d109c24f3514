/* SPDX-License-Identifier: MIT */
/*
 * hazard - states that a Python target puts itself in: what the kernel or the C library
 * makes dangerous for whoever copies or enters a process.
 *
 * A library for ctypes.  Each hazard_NAME() begins one (0, or an errno: this machine
 * doesn't have it); hazard_rounds() counts what was done and found right;
 * hazard_wrong() says what wasn't.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

unsigned long hazard_rounds(void);
const char *hazard_wrong(void);
int hazard_uring(void);
int hazard_userfault(void);
int hazard_fibres(void);
int hazard_ticks(void);
int hazard_vfork(void);
int hazard_reaper(void);
int hazard_mappings(unsigned max, unsigned spare);
int hazard_dont_fork(uint64_t addr, uint64_t size);
int hazard_lock_all(void);
void hazard_leave(void);

static atomic_ulong rounds;
static const char *_Atomic wrong;

static void complain(const char *what)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&wrong, &none, what);
}

unsigned long hazard_rounds(void)
{
	return atomic_load(&rounds);
}

const char *hazard_wrong(void)
{
	return atomic_load(&wrong);
}

static int start_thread(void *(*work)(void *), void *arg, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	const int e = pthread_create(&thread, &attr, work, arg);
	pthread_attr_destroy(&attr);
	return e;
}

/* ---- io_uring: a kernel thread polls the ring, workers wait in reads ---- */

struct ring {
	int fd;
	char *sq, *cq;
	struct io_uring_params p;
	struct io_uring_sqe *sqes;
	int ends[2];
	char byte;
};

#define RING_WORD(base, at) ((_Atomic unsigned *)(void *)((base) + (at)))

static void ring_submit(struct ring *r, unsigned char number)
{
	const unsigned tail = atomic_load(RING_WORD(r->sq, r->p.sq_off.tail));
	const unsigned at = tail & *(unsigned *)(void *)(r->sq + r->p.sq_off.ring_mask);

	r->sqes[at] = (struct io_uring_sqe){ .opcode = IORING_OP_READ,
					     .flags = IOSQE_ASYNC, /* a worker waits */
					     .fd = r->ends[0],
					     .addr = (uint64_t)(uintptr_t)&r->byte,
					     .len = 1,
					     .off = (uint64_t)-1,
					     .user_data = number };
	((unsigned *)(void *)(r->sq + r->p.sq_off.array))[at] = at;
	atomic_store(RING_WORD(r->sq, r->p.sq_off.tail), tail + 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(RING_WORD(r->sq, r->p.sq_off.flags)) & IORING_SQ_NEED_WAKEUP)
		syscall(SYS_io_uring_enter, r->fd, 1, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
}

static bool ring_complete(struct ring *r, unsigned char number)
{
	_Atomic unsigned *const head = RING_WORD(r->cq, r->p.cq_off.head);

	while (atomic_load(head) == atomic_load(RING_WORD(r->cq, r->p.cq_off.tail)))
		if (syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL,
			    0) < 0 &&
		    errno != EINTR)
			return false;
	const unsigned at =
		atomic_load(head) & *(unsigned *)(void *)(r->cq + r->p.cq_off.ring_mask);
	const struct io_uring_cqe *const done =
		(struct io_uring_cqe *)(void *)(r->cq + r->p.cq_off.cqes) + at;
	const bool good =
		done->res == 1 && done->user_data == number && r->byte == (char)number;
	atomic_store(head, atomic_load(head) + 1);
	return good;
}

static void *ring_loop(void *arg)
{
	struct ring *const r = arg;

	for (unsigned char n = 0;; n++) {
		ring_submit(r, n);
		usleep(2000); /* it waits in a worker meanwhile */
		if (write(r->ends[1], &n, 1) != 1 || !ring_complete(r, n))
			complain("io_uring gave another byte");
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

int hazard_uring(void)
{
	static struct ring r;

	r.p = (struct io_uring_params){ .flags = IORING_SETUP_SQPOLL,
					.sq_thread_idle = 50 };
	r.fd = (int)syscall(SYS_io_uring_setup, 8, &r.p);
	if (r.fd < 0 || pipe(r.ends))
		return errno;
	const size_t sq_size = r.p.sq_off.array + r.p.sq_entries * sizeof(unsigned);
	const size_t cq_size =
		r.p.cq_off.cqes + r.p.cq_entries * sizeof(struct io_uring_cqe);
	r.sq = mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd,
		    IORING_OFF_SQ_RING);
	r.cq = mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd,
		    IORING_OFF_CQ_RING);
	r.sqes = mmap(NULL, r.p.sq_entries * sizeof(*r.sqes), PROT_READ | PROT_WRITE,
		      MAP_SHARED, r.fd, IORING_OFF_SQES);
	if (r.sq == MAP_FAILED || r.cq == MAP_FAILED || (void *)r.sqes == MAP_FAILED)
		return errno;
	return start_thread(ring_loop, &r, 0);
}

/* ---- userfaultfd: pages come when they are asked for ---- */

enum { FAULT_PAGES = 256, PAGE = 4096 };

static int fault_fd;

static void *fault_serve(void *arg)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct uffd_msg m;

	(void)arg;
	memset(page, 'u', sizeof(page));
	while (read(fault_fd, &m, sizeof(m)) == sizeof(m)) {
		struct uffdio_copy copy = { .dst = m.arg.pagefault.address &
						    ~(PAGE - 1ull),
					    .src = (uint64_t)(uintptr_t)page,
					    .len = PAGE };
		ioctl(fault_fd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

static void *fault_touch(void *arg)
{
	const volatile char *const area = arg;

	for (unsigned long i = 0;; i = (i + 1) % FAULT_PAGES) {
		if (area[i * PAGE + i] != 'u')
			complain("a page of the fault handler's is another");
		if (i == FAULT_PAGES - 1)
			madvise(arg, FAULT_PAGES * PAGE, MADV_DONTNEED);
		atomic_fetch_add(&rounds, 1);
		usleep(200);
	}
	return NULL;
}

int hazard_userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *const area = mmap(NULL, FAULT_PAGES * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = { .range = { (uint64_t)(uintptr_t)area,
						    FAULT_PAGES * PAGE },
					 .mode = UFFDIO_REGISTER_MODE_MISSING };

	fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fault_fd < 0 || area == MAP_FAILED || ioctl(fault_fd, UFFDIO_API, &api) ||
	    ioctl(fault_fd, UFFDIO_REGISTER, &range))
		return errno;
	const int e = start_thread(fault_serve, NULL, 0);
	return e ? e : start_thread(fault_touch, area, 0);
}

/* ---- stacks of a runtime's own ---- */

enum { FIBRES = 64, FIBRE_STACK = 8192 };

static ucontext_t fibre[FIBRES], scheduler;

static void fibre_main(int number)
{
	for (volatile unsigned n = 0;; n++) {
		volatile char local[512];

		for (size_t i = 0; i < sizeof(local); i++)
			local[i] = (char)number;
		swapcontext(&fibre[number], &scheduler);
		for (size_t i = 0; i < sizeof(local); i++)
			if (local[i] != (char)number)
				complain("a fibre's stack changed");
		atomic_fetch_add(&rounds, 1);
	}
}

static void *fibre_loop(void *arg)
{
	char *const stacks = arg;

	for (int i = 0; i < FIBRES; i++) {
		getcontext(&fibre[i]);
		fibre[i].uc_stack = (stack_t){ .ss_sp = stacks + i * FIBRE_STACK,
					       .ss_size = FIBRE_STACK };
		makecontext(&fibre[i], (void (*)(void))fibre_main, 1, i);
	}
	for (int i = 0;; i = (i + 1) % FIBRES)
		swapcontext(&scheduler, &fibre[i]);
	return NULL;
}

/* Threads that hop between 8 KiB stacks that malloc gave. */
int hazard_fibres(void)
{
	char *const stacks = malloc(FIBRES * FIBRE_STACK);

	return stacks ? start_thread(fibre_loop, stacks, 0) : ENOMEM;
}

/* ---- a small alternate stack, and signals at 1 kHz that are handled on it ---- */

static atomic_ulong handled;

static void on_tick(int sig)
{
	volatile char local[256];

	for (size_t i = 0; i < sizeof(local); i++)
		local[i] = (char)sig;
	atomic_fetch_add(&handled, local[17] == (char)sig);
	atomic_fetch_add(&rounds, 1);
}

static void *tick_loop(void *arg)
{
	/* what the kernel asks for on this CPU, and nearly nothing more */
	const size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + 1024;
	char *const stack = malloc(size + 64);
	const stack_t alternate = { .ss_sp = stack, .ss_size = size };
	stack_t seen;

	(void)arg;
	memset(stack + size, 'c', 64);
	sigaltstack(&alternate, NULL);
	for (;;) {
		raise(SIGRTMIN + 5);
		sigaltstack(NULL, &seen);
		if (seen.ss_sp != stack || seen.ss_size != size)
			complain("the alternate stack is another");
		for (int i = 0; i < 64; i++)
			if (stack[size + (size_t)i] != 'c')
				complain("the alternate stack overflowed");
		usleep(500);
	}
	return NULL;
}

int hazard_ticks(void)
{
	const struct sigaction action = { .sa_handler = on_tick,
					  .sa_flags = SA_ONSTACK | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGRTMIN + 5 };
	const struct itimerspec khz = { { 0, 1000000 }, { 0, 1000000 } };
	timer_t timer;

	if (sigaction(SIGRTMIN + 5, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &khz, NULL))
		return errno;
	for (int i = 0; i < 4; i++)
		if (start_thread(tick_loop, NULL, 32768))
			return EAGAIN;
	return 0;
}

/* ---- children: vfork, posix_spawn, fork and exec ---- */

static char child_path[] = "/bin/true";
static char *const child_argv[] = { child_path, NULL };

static pid_t child_by_spawn(void)
{
	pid_t child = -1;

	return posix_spawn(&child, child_path, NULL, NULL, child_argv, environ) ? -1 :
										  child;
}

static pid_t child_by_vfork(void)
{
	const pid_t child = vfork();

	if (!child) {
		execve(child_path, child_argv, environ);
		_exit(99);
	}
	return child;
}

static pid_t child_by_fork(void)
{
	const pid_t child = fork();

	if (!child) {
		execve(child_path, child_argv, environ);
		_exit(99);
	}
	return child;
}

static void *vfork_loop(void *arg)
{
	static pid_t (*const ways[])(void) = { child_by_spawn, child_by_vfork,
					       child_by_fork };

	(void)arg;
	for (unsigned n = 0;; n++) {
		const pid_t child = ways[n % 3]();
		int status = -1;

		if (child < 0)
			continue; /* no room for one now */
		if (waitpid(child, &status, 0) != child || status)
			complain("a child didn't end well");
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

int hazard_vfork(void)
{
	for (int i = 0; i < 3; i++)
		if (start_thread(vfork_loop, NULL, 0))
			return EAGAIN;
	return 0;
}

/* The only one that waits: it knows all children, and waits for any. */
static void *reaper_loop(void *arg)
{
	(void)arg;
	for (;;) {
		const pid_t child = fork();
		int status = 0;

		if (!child) {
			/* an orphan comes to us, the subreaper */
			const pid_t grandchild = fork();
			_exit(grandchild ? 5 : 6);
		}
		for (int left = 2; left;) {
			const pid_t got = waitpid(-1, &status, 0);

			if (got < 0 && errno == ECHILD)
				break; /* ours was the last: none was orphaned yet */
			if (got < 0)
				continue;
			if (!WIFEXITED(status) ||
			    WEXITSTATUS(status) != (got == child ? 5 : 6))
				complain("wait(-1) got a child that isn't ours");
			left--;
		}
		while (waitpid(-1, &status, WNOHANG) > 0)
			if (!WIFEXITED(status) || WEXITSTATUS(status) != 6)
				complain("wait(-1) got a child that isn't ours");
		atomic_fetch_add(&rounds, 1);
		usleep(500);
	}
	return NULL;
}

int hazard_reaper(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return errno;
	return start_thread(reaper_loop, NULL, 0);
}

/* ---- mappings ---- */

/* Makes so many that at most `spare` are left of max (vm.max_map_count). */
int hazard_mappings(unsigned max, unsigned spare)
{
	unsigned have = 0;
	int c;
	FILE *const f = fopen("/proc/self/maps", "re");

	while (f && (c = getc(f)) != EOF)
		have += c == '\n';
	if (!f || fclose(f) || have + spare >= max)
		return ENOMEM;
	/* every second page has another protection: each is a mapping */
	const size_t n = max - spare - have;
	char *const area =
		mmap(NULL, n * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return errno;
	for (size_t i = 1; i < n; i += 2)
		if (mprotect(area + i * PAGE, PAGE, PROT_NONE))
			break;
	return 0;
}

/* Whole pages within [addr, addr + size) are not for children. */
int hazard_dont_fork(uint64_t addr, uint64_t size)
{
	const uint64_t from = (addr + PAGE - 1) / PAGE * PAGE;
	const uint64_t to = (addr + size) / PAGE * PAGE;

	if (to <= from)
		return EINVAL;
	return madvise((void *)(uintptr_t)from, to - from, MADV_DONTFORK) ? errno : 0;
}

int hazard_lock_all(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE) ? errno : 0;
}

/* The calling thread ends for good, without a word to anybody. */
void hazard_leave(void)
{
	syscall(SYS_exit, 0);
}
