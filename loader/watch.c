/* SPDX-License-Identifier: MIT */
/* watch - see watch.h. */
#include "loader/watch.h"

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

enum { WATCH_GRACE_MS = 1000 };

static struct {
	pthread_t thread;
	pid_t pid;
	unsigned seconds;
	int cancel_fd;
	int over; /* eventfd: the look has ended */
	bool on;
} watch = { .over = -1 };

/* 1 = the look has ended, 2 = cancelled, 0 = neither, within this time. */
static int watch_wait(uint64_t ms, int cancel_fd)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t at = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	const uint64_t end = at + ms;
	while (at < end) {
		struct pollfd p[2] = { { watch.over, POLLIN, 0 },
				       { cancel_fd > 0 ? cancel_fd : -1, POLLIN, 0 } };
		if (poll(p, 2, (int)(end - at)) > 0)
			return p[0].revents ? 1 : 2;
		clock_gettime(CLOCK_MONOTONIC, &now);
		at = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	}
	return 0;
}

static void *watch_run(void *unused)
{
	(void)unused;
	int got = watch_wait(watch.seconds * UINT64_C(1000), watch.cancel_fd);
	const bool cancelled = got == 2;
	if (cancelled)
		got = watch_wait(WATCH_GRACE_MS, -1);
	if (got == 1)
		return NULL;
	if (cancelled)
		dprintf(STDERR_FILENO,
			"pymem-load: %d: cancelled while the process didn't let itself "
			"be looked at\n",
			(int)watch.pid);
	else
		dprintf(STDERR_FILENO,
			"pymem-load: %d: the process didn't let itself be looked at "
			"within %u s: some of its memory or folders may be in a file "
			"system that doesn't answer\n",
			(int)watch.pid, watch.seconds);
	_exit(cancelled ? 128 + SIGINT : 1);
}

void watch_begin(pid_t pid, unsigned seconds, int cancel_fd)
{
	sigset_t all, before;
	watch.pid = pid;
	watch.seconds = seconds ? seconds : WATCH_SECONDS;
	watch.cancel_fd = cancel_fd;
	watch.over = eventfd(0, EFD_CLOEXEC);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	watch.on =
		watch.over >= 0 && !pthread_create(&watch.thread, NULL, watch_run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void watch_end(void)
{
	const int error = errno;
	const uint64_t one = 1;
	if (watch.on && write(watch.over, &one, sizeof(one)) == sizeof(one))
		pthread_join(watch.thread, NULL);
	if (watch.over >= 0)
		close(watch.over);
	watch.over = -1;
	watch.on = false;
	errno = error;
}
