/* SPDX-License-Identifier: MIT */
/* live - see live.h. */
#include "loader/live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/child.h"

/* In the child: becomes the viewer, with fd inherited. Never returns. */
static void become_viewer(const char *viewer, const char *compare, const char *name, int fd)
{
	char number[16];
	snprintf(number, sizeof number, "%d", fd);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	fcntl(fd, F_SETFD, 0);
	const char *argv[7];
	int n = 0;
	argv[n++] = viewer;
	argv[n++] = "--live-fd";
	argv[n++] = number;
	if (compare) {
		argv[n++] = "--compare";
		argv[n++] = compare;
	}
	argv[n++] = name;
	argv[n] = NULL;
	execv(viewer, (char *const *)(uintptr_t)argv);
	_exit(127);
}

int live_start(struct live *live, const char *viewer, const char *compare, const char *name,
	       int file, uint64_t start)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	const int again = fcntl(file, F_DUPFD_CLOEXEC, 3);
	if (again < 0) {
		const int e = errno;
		close(pair[0]);
		close(pair[1]);
		return -e;
	}
	const pid_t pid = fork();
	if (pid == 0)
		become_viewer(viewer, compare, name, pair[1]);
	const int err = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		close(again);
		return -err;
	}
	shutdown(pair[0], SHUT_RD);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*live = (struct live){ .fd = pair[0], .viewer = pid, .file = again, .status = -1,
			       .sent = start, .have = start };
	return 0;
}

static void live_drop(struct live *live)
{
	if (live->fd >= 0)
		close(live->fd);
	if (live->file >= 0)
		close(live->file);
	live->fd = live->file = -1;
}

bool live_pending(const struct live *live)
{
	return live->fd >= 0 && live->sent < live->have;
}

void live_pump(struct live *live, uint64_t have)
{
	char buf[65536];

	live->have = have;
	while (live_pending(live)) {
		size_t want = sizeof buf;
		if (want > live->have - live->sent)
			want = (size_t)(live->have - live->sent);
		const ssize_t got = pread(live->file, buf, want, (off_t)live->sent);
		if (got <= 0) {
			live_drop(live);
			return;
		}
		const ssize_t put = send(live->fd, buf, (size_t)got, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			if (errno != EAGAIN)
				live_drop(live);
			return;
		}
		live->sent += (uint64_t)put;
	}
}

/* Sends what waits; gives up after `limit` rounds of 100 ms without progress (0: never). */
static void drain(struct live *live, int limit)
{
	int idle = 0;

	while (live_pending(live)) {
		struct pollfd p = { .fd = live->fd, .events = POLLOUT };
		const int n = poll(&p, 1, 100);
		if (n > 0) {
			idle = 0;
			live_pump(live, live->have);
			continue;
		}
		if (child_wait(live->viewer, false, &live->status)) {
			live->viewer = 0;
			live_drop(live);
		}
		if (limit && ++idle >= limit)
			break;
	}
}

void live_restart(struct live *live, uint64_t start)
{
	drain(live, 100);
	if (live_pending(live))
		live_drop(live);
	live->sent = start;
	live->have = start;
}

void live_finish(struct live *live)
{
	drain(live, 0);
	live_drop(live);
}

int live_wait(struct live *live)
{
	live_drop(live);
	if (live->viewer > 0)
		child_wait(live->viewer, true, &live->status);
	live->viewer = 0;
	return live->status;
}
