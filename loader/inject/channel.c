// SPDX-License-Identifier: MIT
/* channel - see channel.h. */
#include "loader/inject/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH_FD 1000

uint64_t channel_inode(pid_t pid, pid_t tid, int fd)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", pid, tid, fd);
	return stat(path, &st) ? 0 : st.st_ino;
}

static int close_one(struct remote *r, int fd, struct load_error *err)
{
	int64_t ret;
	return remote_sys(r, &ret, err, SYS_close, (uint64_t)fd);
}

/* A pair of descriptors made by a call that writes two ints. >0: the call's errno. */
static int make_pair(struct remote *r, long nr, uint64_t a, uint64_t b, int pair[2],
		     struct load_error *err)
{
	const int none[2] = { -1, -1 };
	int64_t ret;
	uint64_t addr = remote_push(r, none, sizeof(none));
	if (!addr)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	int failed = nr == SYS_pipe2 ? remote_sys(r, &ret, err, nr, addr, a) :
		remote_sys(r, &ret, err, nr, AF_UNIX, a, b, addr);
	if (failed)
		return -1;
	if (ret < 0)
		return (int)-ret;
	if (!tracee_read(r->tracee, addr, pair, 2 * sizeof(int)))
		return load_fail(err, LOAD_E_SYSTEM, errno, "the target can't be read");
	return 0;
}

/* Moves the target's end up and remembers it as end `index`. */
static int settle(struct remote *r, int index, int fd, struct load_error *err)
{
	struct errand_result *res = &r->tracee->errand->result;
	int64_t high;
	if (remote_sys(r, &high, err, SYS_fcntl, (uint64_t)fd, F_DUPFD_CLOEXEC, HIGH_FD))
		return -1;
	if (high >= 0 && close_one(r, fd, err))
		return -1;
	res->remote_fd[index] = high >= 0 ? (int)high : fd;
	res->remote_inode[index] = channel_inode(r->tracee->pid, r->tracee->tid,
						 res->remote_fd[index]);
	return 0;
}

/* >0: can't be done this way. */
static int open_socket(struct remote *r, int pidfd, int index, int type,
		       struct load_error *err)
{
	int pair[2];
	int failed = make_pair(r, SYS_socketpair, (uint64_t)(type | SOCK_CLOEXEC), 0,
			       pair, err);
	if (failed)
		return failed;
	int ours = (int)syscall(SYS_pidfd_getfd, pidfd, pair[0], 0);
	int sys = errno;
	if (close_one(r, pair[0], err))
		return -1;
	if (ours < 0) {
		if (close_one(r, pair[1], err))
			return -1;
		return sys ? sys : EIO;
	}
	r->tracee->errand->fds[index] = ours;
	return settle(r, index, pair[1], err);
}

/* `theirs`: 1 = the target writes, 0 = the target reads. */
static int open_pipe(struct remote *r, int index, int theirs, int flags,
		     struct load_error *err)
{
	int pair[2];
	char path[64];
	const struct tracee *t = r->tracee;
	int failed = make_pair(r, SYS_pipe2, (uint64_t)(O_CLOEXEC | flags), 0, pair, err);
	if (failed > 0)
		return load_fail(err, LOAD_E_CALL, failed, "no pipe in the target: %s",
				 strerror(failed));
	if (failed)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", t->pid, t->tid,
		 pair[!theirs]);
	int mode = theirs ? O_RDONLY : O_WRONLY;
	int ours = open(path, mode | O_CLOEXEC);
	int sys = errno;
	/* open() refuses O_DIRECT on a pipe; packets are made by the writer's flag */
	if (ours >= 0 && flags && !theirs)
		fcntl(ours, F_SETFL, flags);
	if (close_one(r, pair[!theirs], err))
		return -1;
	if (ours < 0) {
		close_one(r, pair[theirs], err);
		return load_fail(err, LOAD_E_SYSTEM, sys, "%s can't be opened: %s", path,
				 strerror(sys));
	}
	t->errand->fds[index] = ours;
	return settle(r, index, pair[theirs], err);
}

static void forget(struct errand *e)
{
	for (int i = 0; i < 3; i++) {
		if (e->fds[i] >= 0)
			close(e->fds[i]);
		e->fds[i] = e->result.remote_fd[i] = -1;
		e->result.remote_inode[i] = 0;
	}
}

int channel_open(struct remote *r, int pidfd, struct load_error *err)
{
	struct errand *e = r->tracee->errand;
	forget(e);
	int failed = pidfd < 0 ? ENOSYS : open_socket(r, pidfd, 0, SOCK_SEQPACKET, err);
	if (!failed)
		failed = open_socket(r, pidfd, 1, SOCK_STREAM, err);
	if (failed > 0) {
		errand_log(e, "no socket pair (%s): pipes instead", strerror(failed));
		if (channel_close_remote(r, &e->result, err))
			return -1;
		forget(e);
		failed = open_pipe(r, 0, 1, O_DIRECT, err) ||
					 open_pipe(r, 1, 1, 0, err) ||
					 open_pipe(r, 2, 0, O_DIRECT, err)
				 ? -1
				 : 0;
	}
	return failed;
}

int channel_close_remote(struct remote *r, const struct errand_result *ends,
			 struct load_error *err)
{
	for (int i = 0; i < 3; i++) {
		int fd = ends->remote_fd[i];
		if (fd < 0 || !ends->remote_inode[i] ||
		    channel_inode(r->tracee->pid, r->tracee->tid, fd) !=
			    ends->remote_inode[i])
			continue;
		if (close_one(r, fd, err))
			return -1;
	}
	return 0;
}
