/* SPDX-License-Identifier: MIT */
/* stream - see stream.h. */
#include "agent/snap/stream.h"

#include <poll.h>
#include <sys/socket.h>

#include "agent/base/sys.h"

void stream_open(struct stream *stream, int fd, int fd2)
{
	*stream = (struct stream){ .bytes = 0 };
	owned_fd_set(&stream->fd[0], fd);
	owned_fd_set(&stream->fd[1], fd2);
}

void stream_close(struct stream *stream)
{
	owned_fd_close(&stream->fd[0]);
	owned_fd_close(&stream->fd[1]);
}

/* Waits until fd takes bytes; 0 or a negative errno. */
static int stream_wait(const struct stream *stream, int fd)
{
	const uint64_t until = sys_now_ns() + (uint64_t)stream->stall_ms * 1000000u;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		struct timespec t = { .tv_nsec = 100000000 };
		long n = sys5(SYS_ppoll, &p, 1, &t, NULL, 0);

		if (n > 0)
			return 0; /* errors are told by the write */
		if (n < 0 && n != -EINTR)
			return (int)n;
		if (stream->control && control_channel_cancelled(stream->control, 0))
			return -ECANCELED;
		if (stream->stall_ms && sys_now_ns() > until)
			return -ETIMEDOUT;
	}
}

static int stream_put(const struct stream *stream, const struct owned_fd *own,
		      const char *data, size_t size)
{
	const bool patient = !stream->stall_ms && !stream->control;

	while (size) {
		long n;

		if (stream->check && !owned_fd_ok(own))
			return -EBADF;
		if (own->socket)
			n = sys6(SYS_sendto, own->fd, SYS_ARG(data), SYS_ARG(size),
				 MSG_NOSIGNAL | (patient ? 0 : MSG_DONTWAIT), 0, 0);
		else if (patient || !(n = stream_wait(stream, own->fd)))
			/* a pipe takes PIPE_BUF at once when poll says so */
			n = sys_write(own->fd, data,
				      patient || size < 4096 ? size : 4096);
		if (n == -EAGAIN)
			n = stream_wait(stream, own->fd);
		else if (n > 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		if (n < 0 && n != -EINTR)
			return (int)n;
	}
	return 0;
}

int stream_write(void *arg, const void *data, size_t size)
{
	struct stream *stream = arg;
	int rc;

	stream->blocked = true;
	rc = stream_put(stream, &stream->fd[0], data, size);
	if (!rc && stream->fd[1].fd >= 0 &&
	    stream_put(stream, &stream->fd[1], data, size) < 0)
		stream->fd[1].fd = -1; /* closed by its owner, who still has it */
	stream->blocked = false;
	if (!rc)
		stream->bytes += size;
	return rc;
}
