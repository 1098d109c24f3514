/* SPDX-License-Identifier: MIT */
/* live - see live.h. */
#include "loader/output/live.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loader/base/foreground.h"

/* In the child: becomes the viewer, with fd inherited. Never returns. */
static void live_become_viewer(const char *viewer, const char *compare, const char *name,
			       int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	foreground_default_signals();
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

int live_start(struct live *live, const char *viewer, const char *compare,
	       const char *name, int file, uint64_t start)
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
		live_become_viewer(viewer, compare, name, pair[1]);
	const int err = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		close(again);
		return -err;
	}
	shutdown(pair[0], SHUT_RD);
	*live = (struct live){ .fd = pair[0],
			       .viewer = pid,
			       .file = again,
			       .status = -1,
			       .socket = true,
			       .cancel_fd = -1,
			       .sent = start,
			       .have = start };
	return 0;
}

int live_relay(struct live *live, int fd, int file, int cancel_fd)
{
	const int to = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	const int from = to < 0 ? -1 : fcntl(file, F_DUPFD_CLOEXEC, 3);

	if (from < 0) {
		const int err = errno;

		if (to >= 0)
			close(to);
		return -err;
	}
	*live = (struct live){ .fd = to,
			       .file = from,
			       .status = -1,
			       .spool = true,
			       .cancel_fd = cancel_fd };
	return 0;
}

static void live_drop(struct live *live, int error)
{
	if (live->fd >= 0)
		close(live->fd);
	if (live->file >= 0)
		close(live->file);
	live->fd = live->file = -1;
	if (!live->error)
		live->error = error;
}

bool live_pending(const struct live *live)
{
	return live->fd >= 0 && live->sent < live->have;
}

/*
 * Sends without waiting: bytes that were taken, 0: none now, or a negative errno.
 * A descriptor that is shared must not be made non-blocking; a pipe that is
 * ready for writing takes PIPE_BUF bytes at once (pipe(7), poll(2)).
 */
static ssize_t live_push(const struct live *live, const char *data, size_t size)
{
	struct pollfd p = { .fd = live->fd, .events = POLLOUT };
	ssize_t n;

	assert(size > 0);
	if (live->socket) {
		n = send(live->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		if (poll(&p, 1, 0) <= 0)
			return 0;
		n = write(live->fd, data, size < PIPE_BUF ? size : PIPE_BUF);
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

/* Sends a buffer's worth. False: no more can be sent now. */
static bool live_pump_some(struct live *live)
{
	char buf[65536];
	size_t want = sizeof(buf), done = 0;

	assert(live->sent < live->have);
	if (want > live->have - live->sent)
		want = (size_t)(live->have - live->sent);
	const ssize_t got = pread(live->file, buf, want, (off_t)live->sent);
	if (got <= 0) {
		live_drop(live, got < 0 ? -errno : -EIO);
		return false;
	}
	while (done < (size_t)got) {
		const ssize_t n = live_push(live, buf + done, (size_t)got - done);

		if (n < 0)
			live_drop(live, (int)n);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (live->spool && live->file >= 0 && done > 0)
		fallocate(live->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)live->sent, (off_t)done);
	live->sent += done;
	return done == (size_t)got;
}

void live_pump(struct live *live, uint64_t have)
{
	assert(have >= live->sent);
	live->have = have;
	while (live_pending(live) && live_pump_some(live))
		;
}

static bool live_cancelled(const struct live *live)
{
	struct pollfd p = { .fd = live->cancel_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Sends what waits; gives up after `limit` rounds of 100 ms without progress (0: never).
 */
static void live_drain(struct live *live, int limit)
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
		if (live->viewer > 0 &&
		    foreground_wait(live->viewer, false, &live->status)) {
			live->viewer = 0;
			live_drop(live, -EPIPE);
		} else if (live_cancelled(live)) {
			live_drop(live, -EINTR);
		}
		if (limit && ++idle >= limit)
			break;
	}
}

void live_restart(struct live *live, uint64_t start)
{
	live_drain(live, 100);
	if (live_pending(live))
		live_drop(live, -ETIMEDOUT);
	live->sent = start;
	live->have = start;
}

int live_finish(struct live *live)
{
	live_drain(live, 0);
	live_drop(live, 0);
	return live->error;
}

int live_wait(struct live *live)
{
	live_drop(live, 0);
	if (live->viewer > 0)
		foreground_attend(live->viewer, true, &live->status);
	live->viewer = 0;
	return live->status;
}
