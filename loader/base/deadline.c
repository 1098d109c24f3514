/* SPDX-License-Identifier: MIT */
/* deadline - see deadline.h. */
#include "loader/base/deadline.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "formats/text/print.h"

#include "loader/base/clock.h"
#include "loader/base/kernel.h"

enum { DEADLINE_GRACE_MS = 1000, DEADLINE_STEP_MS = 250 };

static int deadline_told = -1;

static struct {
	pthread_t thread;
	pid_t pid;
	clockid_t used;		/* processor time of the thread that looks */
	unsigned idle, longest; /* seconds: without progress, with it */
	unsigned over_after;	/* which of them it was */
	int cancel_fd;
	int over; /* eventfd: the look has ended */
	bool on;
	sigset_t before; /* blocked before the look */
} deadline = { .over = -1 };

/* 1 = the look has ended, 2 = cancelled, 0 = neither, within this time. */
static int deadline_wait(uint64_t ms, int cancel_fd)
{
	uint64_t at = clock_now() / 1000000;
	const uint64_t end = at + ms;

	while (at < end) {
		struct pollfd p[2] = { { deadline.over, POLLIN, 0 },
				       { cancel_fd > 0 ? cancel_fd : -1, POLLIN, 0 } };

		if (poll(p, 2, (int)(end - at)) > 0)
			return p[0].revents ? 1 : 2;
		at = clock_now() / 1000000;
	}
	return 0;
}

static uint64_t deadline_used(void)
{
	struct timespec t;

	return clock_gettime(deadline.used, &t) ?
		0 :
		(uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* As deadline_wait, but 0 when it takes too long. */
static int deadline_watch(void)
{
	const uint64_t last = clock_now() / 1000000 + deadline.longest * UINT64_C(1000);
	uint64_t used = 0, idle_end = 0;

	for (;;) {
		const uint64_t now = clock_now() / 1000000, use = deadline_used();
		int got;

		if (use != used || !idle_end) {
			used = use;
			idle_end = now + deadline.idle * UINT64_C(1000);
		}
		if (now >= idle_end || now >= last) {
			deadline.over_after =
				now >= last ? deadline.longest : deadline.idle;
			return 0;
		}
		got = deadline_wait(DEADLINE_STEP_MS, deadline.cancel_fd);
		if (got)
			return got;
	}
}

/* The one sentence. The other thread waits in the kernel and holds no stream. */
static void deadline_say(bool cancelled)
{
	if (cancelled)
		print_format(stderr,
			     "pymem-load: %d: cancelled while the process didn't let "
			     "itself be looked at\n",
			     (int)deadline.pid);
	else
		print_format(stderr,
			     "pymem-load: %d: the process didn't let itself be looked at "
			     "within %u s: some of its memory or folders may be in a "
			     "file system that doesn't answer\n",
			     (int)deadline.pid, deadline.over_after);
}

static void *deadline_run(void *unused)
{
	(void)unused;
	int got = deadline_watch();
	const bool cancelled = got == 2;
	if (cancelled)
		got = deadline_wait(DEADLINE_GRACE_MS, -1);
	if (got == 1)
		return NULL;
	deadline_say(cancelled);
	const unsigned char status = cancelled ? 128 + SIGINT : 1;
	if (deadline_told >= 0 && write(deadline_told, &status, sizeof(status)) < 0)
		_exit(1);
	/* if it can't end yet, nobody shall wait for an end of what we write */
	kernel_close_range(0, ~0u);
	_exit(status);
}

void deadline_tell(int fd)
{
	deadline_told = fd;
}

void deadline_begin(pid_t pid, unsigned seconds, int cancel_fd)
{
	const unsigned longest = seconds && seconds < DEADLINE_LONGEST_SECONDS ?
		seconds :
		DEADLINE_LONGEST_SECONDS;

	deadline_begin_within(pid,
			      longest < DEADLINE_SECONDS ? longest : DEADLINE_SECONDS,
			      longest, cancel_fd);
}

void deadline_begin_within(pid_t pid, unsigned idle, unsigned longest, int cancel_fd)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t others, told;

	assert(!deadline.on);
	deadline.pid = pid;
	deadline.idle = idle;
	deadline.longest = longest;
	deadline.cancel_fd = cancel_fd;
	deadline.over = eventfd(0, EFD_CLOEXEC);
	sigemptyset(&told);
	sigfillset(&others);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		sigaddset(&told, taken[i]);
		sigdelset(&others, taken[i]);
	}
	/* their handler runs in the thread, since here it might never get a turn */
	pthread_sigmask(SIG_SETMASK, &others, &deadline.before);
	deadline.on = deadline.over >= 0 &&
		!pthread_getcpuclockid(pthread_self(), &deadline.used) &&
		!pthread_create(&deadline.thread, NULL, deadline_run, NULL);
	pthread_sigmask(SIG_SETMASK, &deadline.before, NULL);
	if (deadline.on)
		pthread_sigmask(SIG_BLOCK, &told, NULL);
}

void deadline_end(void)
{
	const int error = errno;
	const uint64_t one = 1;

	if (deadline.on && write(deadline.over, &one, sizeof(one)) == sizeof(one)) {
		pthread_join(deadline.thread, NULL);
		pthread_sigmask(SIG_SETMASK, &deadline.before, NULL);
	}
	if (deadline.over >= 0)
		close(deadline.over);
	deadline.over = -1;
	deadline.on = false;
	errno = error;
}
