/* SPDX-License-Identifier: MIT */
/* control_channel - see control_channel.h. */
#include "agent/snap/control_channel.h"

#include <linux/limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "agent/base/sys.h"

void control_channel_open(struct control_channel *control, int control_fd, int command_fd,
			  uint64_t nonce)
{
	owned_fd_set(&control->out, control_fd);
	if (command_fd < 0 && control->out.socket)
		command_fd = control_fd;
	owned_fd_set(&control->in, command_fd);
	control->nonce = nonce;
}

void control_channel_one_way(struct control_channel *control)
{
	control->in.fd = -1;
}

void control_channel_close(struct control_channel *control)
{
	bool shared = control->in.fd == control->out.fd;

	owned_fd_close(&control->out);
	if (shared)
		control->in.fd = -1;
	owned_fd_close(&control->in);
}

/* A pipe that says so takes PIPE_BUF bytes at once (pipe(7)); no message is longer. */
static bool control_channel_has_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	const struct timespec now = { 0 };

	_Static_assert(sizeof(struct pymem_msg) + PYMEM_MSG_TEXT_MAX <= PIPE_BUF,
		       "a message is written whole or not at all");
	return sys5(SYS_ppoll, &p, 1, &now, NULL, 0) > 0;
}

void control_channel_send(const struct control_channel *control, uint32_t type,
			  uint64_t a, uint64_t b, uint64_t c, uint64_t d,
			  const char *text)
{
	struct pymem_msg head = {
		.type = type, .nonce = control->nonce, .a = a, .b = b, .c = c, .d = d
	};
	struct iovec part[2] = { { &head, sizeof(head) }, { NULL, 0 } };
	size_t size = text ? strlen(text) : 0;

	if (!owned_fd_ok(&control->out))
		return;
	if (size > PYMEM_MSG_TEXT_MAX)
		size = PYMEM_MSG_TEXT_MAX;
	head.text_size = (uint32_t)size;
	part[1].iov_base = (void *)(uintptr_t)text;
	part[1].iov_len = size;
	if (control->out.socket) {
		struct msghdr msg = { .msg_iov = part, .msg_iovlen = size ? 2 : 1 };

		sys3(SYS_sendmsg, control->out.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else if (control_channel_has_room(control->out.fd)) {
		sys3(SYS_writev, control->out.fd, part, size ? 2 : 1);
	}
}

void control_channel_fail(const struct control_channel *control, uint32_t reason,
			  int64_t errno_value, const char *sentence)
{
	control_channel_send(control, PYMEM_MSG_FAILED, reason, (uint64_t)errno_value, 0,
			     0, sentence);
}

/* Reads one command; true when it means stop. */
static bool control_channel_read(const struct control_channel *control)
{
	char buf[sizeof(struct pymem_msg) + 256];
	struct pymem_msg msg;
	long n = sys_read(control->in.fd, buf, sizeof(buf));

	if (n == -EINTR || n == -EAGAIN)
		return false;
	if (n < (long)sizeof(msg))
		return true; /* EOF, an error, or not our protocol */
	memcpy(&msg, buf, sizeof(msg));
	return msg.type == PYMEM_MSG_CANCEL && msg.nonce == control->nonce;
}

bool control_channel_cancelled(const struct control_channel *control, int timeout_ms)
{
	struct pollfd p = { .fd = control->in.fd, .events = POLLIN };
	struct timespec t = { .tv_sec = timeout_ms / 1000,
			      .tv_nsec = (long)(timeout_ms % 1000) * 1000000 };
	long n;

	if (control->in.fd < 0) {
		if (timeout_ms > 0)
			sys_sleep_ms((unsigned)timeout_ms);
		return false;
	}
	if (!owned_fd_ok(&control->in))
		return true;
	n = sys5(SYS_ppoll, &p, 1, &t, NULL, 0);
	return n > 0 && control_channel_read(control);
}
