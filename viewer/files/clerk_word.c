/* SPDX-License-Identifier: MIT */
/* clerk_word - see clerk_word.h. */
#include "viewer/files/clerk_word.h"

#include <string.h>
#include <sys/socket.h>

ssize_t clerk_receive(int channel, void *data, size_t size, int *fd_ret)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { data, size };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = fd_ret ? sizeof(control.bytes) : 0 };
	const ssize_t n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *const c = n > 0 && fd_ret ? CMSG_FIRSTHDR(&m) : NULL;

	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd_ret, CMSG_DATA(c), sizeof(int));
	return n;
}

bool clerk_send(int channel, const void *data, size_t size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *const c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(channel, &m, MSG_NOSIGNAL) == (ssize_t)size;
}
