/* SPDX-License-Identifier: MIT */
/* control_client - see control_client.h. */
#include "loader/capture/control_client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "loader/base/clock.h"
#include "loader/target/foreign.h"
#include "loader/capture/receive.h"
#include "loader/target/initial_stack.h"
#include "loader/target/process.h"

#define VARIABLE "PYMEM_CONTROL="

enum { ANSWER_MS = 2000 };

/* The folder named in the process's own environment. False: none is. */
static bool control_client_folder_of(pid_t pid, char *ret, size_t size)
{
	size_t length = 0;
	bool found = false;
	char *text = initial_stack_environment(pid, pid, &length);

	for (size_t i = 0; text && i < length; i += strlen(text + i) + 1) {
		if (strncmp(text + i, VARIABLE, strlen(VARIABLE)) == 0) {
			const char *value = text + i + strlen(VARIABLE);

			found = *value == '/' && strlen(value) < size;
			if (found)
				strcpy(ret, value);
			break;
		}
	}
	free(text);
	return found;
}

/* Connects to the socket that an O_PATH descriptor stands for, which is closed. */
static int control_client_control_connect_to(int found)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (found < 0)
		return -1;
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", found);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(found);
	if (ok)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * Connects to the process's socket in a folder; its path may be longer than the 107
 * bytes that an address has room for.  process: the folder is that in its root; NULL:
 * in ours.
 */
static int control_client_control_connect_in(const char *dir, pid_t inner,
					     const struct process *process,
					     bool *hidden_ret)
{
	char path[PATH_MAX];
	int found;

	snprintf(path, sizeof(path), "%s/%d.sock", dir, (int)inner);
	if (process)
		found = foreign_path(process->pid, process->live_tid, path, true);
	else
		found = open(path, O_PATH | O_CLOEXEC);
	if (hidden_ret)
		*hidden_ret = found == -EACCES;
	return control_client_control_connect_to(found);
}

/* Is it the process that we mean, and not one that has made a socket of its name? */
static bool control_client_peer_is(int fd, pid_t pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		peer.pid == pid;
}

int control_client_connect(pid_t pid)
{
	char dir[PATH_MAX / 2];
	bool hidden = false;
	struct process process;
	struct load_error err;
	const char *own = getenv("PYMEM_CONTROL");

	assert(pid > 0);
	if (process_read(pid, &process, &err) < 0)
		return -1;
	const pid_t inner = process_inner_pid(&process);
	int fd = -1;
	if (control_client_folder_of(pid, dir, sizeof(dir))) {
		fd = control_client_control_connect_in(dir, inner, &process, &hidden);
		if (fd < 0 && hidden) /* its root is, the folder perhaps isn't */
			fd = control_client_control_connect_in(dir, inner, NULL, NULL);
	}
	if (fd < 0 && own && *own)
		fd = control_client_control_connect_in(own, inner, NULL, NULL);
	if (fd >= 0 && !control_client_peer_is(fd, pid)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Sends the block and the agent's ends. */
static int control_client_send_start(int fd, const struct pymem_start *start,
				     const int ends[2])
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec io = { .iov_base = (void *)(uintptr_t)start,
			    .iov_len = sizeof(*start) };
	struct msghdr message = { .msg_iov = &io,
				  .msg_iovlen = 1,
				  .msg_control = control.room,
				  .msg_controllen = sizeof(control.room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(head), ends, 2 * sizeof(int));
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
			(ssize_t)sizeof(*start) ?
		0 :
		-1;
}

/* The agent's answer: 0 or a negative errno. */
static int control_client_read_answer(int fd)
{
	const uint64_t deadline = clock_now() + ANSWER_MS * UINT64_C(1000000);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int32_t answer;

	for (uint64_t now; (now = clock_now()) < deadline;) {
		poll(&p, 1, (int)((deadline - now) / 1000000) + 1);
		const ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
		if (n == sizeof(answer))
			return answer;
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			return -EPIPE;
	}
	return -ETIMEDOUT;
}

static int control_client_refused(int answer, pid_t pid, struct load_error *err)
{
	switch (answer) {
	case -EBUSY:
		return load_fail(err, LOAD_E_BUSY, EBUSY,
				 "another capture of process %d is running", (int)pid);
	case -EPROTO:
		return load_fail(err, LOAD_E_UNSUPPORTED, EPROTO,
				 "the agent in process %d is of another version",
				 (int)pid);
	case -ETIMEDOUT:
		return load_fail(
			err, LOAD_E_TIMEOUT, ETIMEDOUT,
			"the agent in process %d did not answer within %d ms: is the "
			"process stopped?",
			(int)pid, ANSWER_MS);
	default:
		return load_fail(err, LOAD_E_SYSTEM, -answer,
				 "the agent in process %d refused: %s", (int)pid,
				 strerror(-answer));
	}
}

int control_client_start(int fd, pid_t pid, const struct pymem_start *start,
			 struct injection *ret, struct load_error *err)
{
	struct pymem_start block = *start;
	int messages[2], stream[2];

	if (getrandom(&block.nonce, sizeof(block.nonce), 0) != sizeof(block.nonce))
		return load_fail(err, LOAD_E_SYSTEM, errno, "no random number");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, messages) < 0)
		return load_fail(err, LOAD_E_SYSTEM, errno, "no socket: %s",
				 strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) < 0) {
		load_fail(err, LOAD_E_SYSTEM, errno, "no socket: %s", strerror(errno));
		close(messages[0]);
		close(messages[1]);
		return -1;
	}
	const int sent =
		control_client_send_start(fd, &block, (int[2]){ messages[1], stream[1] });
	const int answer = sent < 0 ? -errno : control_client_read_answer(fd);
	close(messages[1]);
	close(stream[1]);
	if (answer != 0) {
		close(messages[0]);
		close(stream[0]);
		return control_client_refused(answer, pid, err);
	}
	*ret = (struct injection){
		.pid = pid,
		.pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
		.control_fd = messages[0],
		.command_fd = messages[0],
		.stream_fd = stream[0],
		.nonce = block.nonce,
	};
	if (ret->pidfd < 0)
		ret->pidfd = -1;
	return 0;
}

void control_client_close(struct injection *injection)
{
	if (injection->pidfd >= 0)
		close(injection->pidfd);
	injection->pidfd = -1;
	inject_close(injection);
}
