/* SPDX-License-Identifier: MIT */
/* control_socket - see control_socket.h. */
#include "agent/trigger/control_socket.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/snap/control_channel.h"
#include "agent/start.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "agent/trigger/destination.h"
#include "agent/trigger/notice.h"
#include "agent/trigger/trigger_capture.h"

enum { CONTROL_SOCKET_PATIENCE_S = 1, CONTROL_SOCKET_FDS = 3 };

static struct {
	struct owned_fd listener;
	int pid; /* of the process that listens */
	bool no_values;
	control_socket_start *start; /* begins what was asked for */
	struct sockaddr_un address;
} control_socket = { .listener = { .fd = -1 } };

/* Makes it if need be: 0, -ENOTUNIQ when it isn't ours alone, or another errno. */
static long control_socket_directory(const char *dir)
{
	struct stat st;
	const long made = sys3(SYS_mkdirat, AT_FDCWD, dir, 0700);
	const long rc = sys4(SYS_newfstatat, AT_FDCWD, dir, &st, AT_SYMLINK_NOFOLLOW);

	if (rc < 0)
		return made < 0 ? made : rc;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != (uid_t)sys0(SYS_geteuid) || st.st_mode & 077)
		return -ENOTUNIQ;
	return 0;
}

/* "DIR/<pid>.sock", or the name that it has before it is listened on: no longer. */
static bool control_socket_path(const char *dir, const char *suffix)
{
	struct phrase t;

	phrase_init(&t, control_socket.address.sun_path,
		    sizeof(control_socket.address.sun_path));
	phrase_str(&t, dir);
	phrase_str(&t, "/");
	phrase_u64(&t, (uint64_t)sys_getpid());
	phrase_str(&t, suffix);
	return !t.cut;
}

/*
 * Who finds the socket can connect to it: it gets its name, in the place of one that an
 * earlier process of our number left, when it is listened on.
 */
static long control_socket_listen(int fd, const char *dir)
{
	const struct sockaddr_un *const address = &control_socket.address;
	char unready[sizeof(address->sun_path)];
	long rc;

	if (fd < 0)
		return fd;
	control_socket_path(dir, ".new");
	memcpy(unready, address->sun_path, sizeof(unready));
	sys3(SYS_unlinkat, AT_FDCWD, unready, 0);
	rc = sys3(SYS_bind, fd, address, sizeof(*address));
	control_socket_path(dir, ".sock");
	if (rc < 0)
		return rc;
	rc = sys2(SYS_listen, fd, 4);
	rc = rc ? rc : sys4(SYS_renameat, AT_FDCWD, unready, AT_FDCWD, address->sun_path);
	if (rc < 0)
		sys3(SYS_unlinkat, AT_FDCWD, unready, 0);
	return rc;
}

void control_socket_open(const char *dir, bool values, control_socket_start *start)
{
	long rc;
	int fd;

	if (!dir[0])
		return;
	control_socket.no_values = !values;
	control_socket.start = start;
	control_socket.address.sun_family = AF_UNIX;
	rc = control_socket_path(dir, ".sock") ? control_socket_directory(dir) :
						 -ENAMETOOLONG;
	if (rc < 0) {
		notice_say_cause("PYMEM_CONTROL: no socket can be made there", dir, rc);
		return;
	}
	fd = (int)sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0);
	fd = destination_high_fd(fd);
	rc = control_socket_listen(fd, dir);
	if (rc < 0) {
		notice_say_cause("PYMEM_CONTROL: no socket can be made",
				 control_socket.address.sun_path, rc);
		if (fd >= 0)
			sys_close(fd);
		return;
	}
	control_socket.pid = sys_getpid();
	owned_fd_set(&control_socket.listener, fd);
}

int control_socket_fd(void)
{
	if (control_socket.listener.fd >= 0 && !owned_fd_ok(&control_socket.listener))
		control_socket.listener.fd = -1;
	return control_socket.listener.fd;
}

static bool control_socket_trusts(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	if (sys5(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == (uid_t)sys0(SYS_geteuid);
}

/* fds sent along; the count, or 0 with everything closed when it isn't 2 or 3. */
static unsigned control_socket_take_fds(struct msghdr *msg, int fds[CONTROL_SOCKET_FDS])
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
			if (count < CONTROL_SOCKET_FDS)
				fds[count++] = destination_high_fd(fd);
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
static int control_socket_request(int fd)
{
	static struct pymem_start start;
	union {
		struct cmsghdr head;
		char buf[CMSG_SPACE(CONTROL_SOCKET_FDS * sizeof(int))];
	} control;
	struct iovec part = { &start, sizeof(start) };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	const long n = sys3(SYS_recvmsg, fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	unsigned count;
	int fds[CONTROL_SOCKET_FDS];
	int rc;

	if (n < 0)
		return (int)n;
	count = control_socket_take_fds(&msg, fds);
	if (!count)
		return -EBADMSG;
	start.control_fd = fds[0];
	start.stream_fd = fds[1];
	start.command_fd = count > 2 ? fds[2] : -1;
	start.flags &= PYMEM_START_NO_FORK | PYMEM_START_NO_VALUES | PYMEM_START_KEEP;
	if (control_socket.no_values)
		start.flags |= PYMEM_START_NO_VALUES;
	start.stack_addr = start.stack_size = 0;
	start.maps_addr = start.maps_size = 0;
	start.tid_addr = start.borrowed_tid = 0;
	start.skip_types[sizeof(start.skip_types) - 1] = '\0';
	start.skip_types[sizeof(start.skip_types) - 2] = '\0';
	start.probes[sizeof(start.probes) - 1] = '\0';
	rc = n == sizeof(start) ? control_socket.start(&start) : -EPROTO;
	while ((rc == -EBUSY || rc == -EPROTO) && count) /* else they are closed */
		sys_close(fds[--count]);
	return rc;
}

void control_socket_answer(void)
{
	const struct timespec patience = { .tv_sec = CONTROL_SOCKET_PATIENCE_S };
	int fd = destination_high_fd((int)sys4(SYS_accept4, control_socket.listener.fd,
					       NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int32_t rc;

	if (fd < 0)
		return;
	if (!control_socket_trusts(fd)) {
		notice_say("PYMEM_CONTROL: a request of another user was refused", NULL);
	} else if (sys5(SYS_ppoll, &p, 1, &patience, NULL, 0) > 0) {
		rc = control_socket_request(fd);
		sys6(SYS_sendto, fd, SYS_ARG(&rc), sizeof(rc),
		     MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
	}
	sys_close(fd);
}

void control_socket_forget(void)
{
	owned_fd_close(&control_socket.listener);
}

void control_socket_remove(void)
{
	if (control_socket.listener.fd >= 0 && control_socket.pid == sys_getpid())
		sys3(SYS_unlinkat, AT_FDCWD, control_socket.address.sun_path, 0);
}
