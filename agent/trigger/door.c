/* SPDX-License-Identifier: MIT */
/* door - see door.h. */
#include "agent/trigger/door.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/snap/control.h"
#include "agent/start.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/trigger/output.h"
#include "agent/trigger/shot.h"

enum { DOOR_PATIENCE_S = 1, DOOR_FDS = 3 };

static struct {
	struct owned_fd listener;
	int pid; /* of the process that listens */
	bool no_values;
	struct sockaddr_un address;
} door = { .listener = { .fd = -1 } };

static bool door_private(const char *dir)
{
	struct stat st;

	sys3(SYS_mkdirat, AT_FDCWD, dir, 0700);
#ifdef SYS_newfstatat
	if (sys4(SYS_newfstatat, AT_FDCWD, dir, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
#else
	if (fstatat(AT_FDCWD, dir, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
#endif
	return S_ISDIR(st.st_mode) && st.st_uid == (uid_t)sys0(SYS_geteuid) &&
		!(st.st_mode & 077);
}

static long door_listen(int fd)
{
	long rc;

	sys3(SYS_unlinkat, AT_FDCWD, door.address.sun_path, 0);
	rc = sys3(SYS_bind, fd, &door.address, sizeof(door.address));
	return rc ? rc : sys2(SYS_listen, fd, 4);
}

void door_open(const char *dir, bool values)
{
	struct text t;
	int fd;

	if (!dir[0])
		return;
	door.no_values = !values;
	door.address.sun_family = AF_UNIX;
	text_init(&t, door.address.sun_path, sizeof(door.address.sun_path));
	text_str(&t, dir);
	text_str(&t, "/");
	text_u64(&t, (uint64_t)sys_getpid());
	text_str(&t, ".sock");
	if (!door_private(dir)) {
		shot_say("PYMEM_CONTROL: the directory must be ours alone (mode 0700)",
			 dir);
		return;
	}
	fd = (int)sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0);
	fd = output_high_fd(fd);
	if (fd < 0 || t.cut || door_listen(fd) < 0) {
		shot_say("PYMEM_CONTROL: no socket can be made", door.address.sun_path);
		if (fd >= 0)
			sys_close(fd);
		return;
	}
	door.pid = sys_getpid();
	owned_fd_set(&door.listener, fd);
}

int door_fd(void)
{
	if (door.listener.fd >= 0 && !owned_fd_ok(&door.listener))
		door.listener.fd = -1;
	return door.listener.fd;
}

static bool door_trusts(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	if (sys5(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == (uid_t)sys0(SYS_geteuid);
}

/* fds sent along; the count, or 0 with everything closed when it isn't 2 or 3. */
static unsigned door_take_fds(struct msghdr *msg, int fds[DOOR_FDS])
{
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		unsigned n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (count < DOOR_FDS)
				fds[count++] = output_high_fd(fd);
			else
				sys_close(fd);
		}
	}
	if (count >= 2 && !(msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return count;
	while (count)
		sys_close(fds[--count]);
	return 0;
}

/* Receives one request and starts it. 0 or a negative errno, to be told the peer. */
static int door_request(int fd)
{
	static struct pymem_start start;
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(DOOR_FDS * sizeof(int))];
	} control;
	struct iovec part = { &start, sizeof(start) };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const long n = sys3(SYS_recvmsg, fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	unsigned count;
	int fds[DOOR_FDS];
	int rc;

	if (n < 0)
		return (int)n;
	count = door_take_fds(&msg, fds);
	if (!count)
		return -EBADMSG;
	start.control_fd = fds[0];
	start.stream_fd = fds[1];
	start.command_fd = count > 2 ? fds[2] : -1;
	start.flags &= PYMEM_START_NO_FORK | PYMEM_START_NO_VALUES | PYMEM_START_KEEP;
	if (door.no_values)
		start.flags |= PYMEM_START_NO_VALUES;
	start.stack_addr = start.stack_size = 0;
	start.maps_addr = start.maps_size = 0;
	start.tid_addr = start.borrowed_tid = 0;
	start.skip_types[sizeof(start.skip_types) - 1] = '\0';
	start.skip_types[sizeof(start.skip_types) - 2] = '\0';
	start.probes[sizeof(start.probes) - 1] = '\0';
	rc = n == sizeof(start) ? pymem_agent_start(&start) : -EPROTO;
	while ((rc == -EBUSY || rc == -EPROTO) && count) /* else they are closed */
		sys_close(fds[--count]);
	return rc;
}

void door_answer(void)
{
	const struct timespec patience = { .tv_sec = DOOR_PATIENCE_S };
	int fd = output_high_fd((int)sys4(SYS_accept4, door.listener.fd, NULL, NULL,
					  SOCK_CLOEXEC | SOCK_NONBLOCK));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int32_t rc;

	if (fd < 0)
		return;
	if (!door_trusts(fd)) {
		shot_say("PYMEM_CONTROL: a request of another user was refused", NULL);
	} else if (sys5(SYS_ppoll, &p, 1, &patience, NULL, 0) > 0) {
		rc = door_request(fd);
		sys6(SYS_sendto, fd, SYS_ARG(&rc), sizeof(rc),
		     MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
	}
	sys_close(fd);
}

void door_forget(void)
{
	owned_fd_close(&door.listener);
}

void door_remove(void)
{
	if (door.listener.fd >= 0 && door.pid == sys_getpid())
		sys3(SYS_unlinkat, AT_FDCWD, door.address.sun_path, 0);
}
