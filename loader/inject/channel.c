/* SPDX-License-Identifier: MIT */
/* channel - see channel.h. */
#include "loader/inject/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/foreign.h"
#include "loader/inject/leftover.h"
#include "loader/inject/remote_run.h"

#define HIGH_FD 1000

static const int pair_types[2] = { SOCK_SEQPACKET, SOCK_STREAM };

uint64_t channel_inode(pid_t pid, pid_t tid, int fd)
{
	return foreign_look(pid, tid, fd).inode;
}

static int close_one(struct remote *r, int fd, struct load_error *err)
{
	int64_t ret;
	return remote_sys(r, &ret, err, SYS_close, (uint64_t)fd);
}

/* A pipe in the target, the `index`-th pair. >0: the call's errno. */
static int make_pipe(struct remote *r, int index, int flags, int pair[2],
		     struct load_error *err)
{
	int64_t ret;
	uint64_t addr = leftover_pair_addr(r, index);
	if (!addr)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	if (remote_sys(r, &ret, err, SYS_pipe2, addr, (uint64_t)(O_CLOEXEC | flags)))
		return -1;
	if (ret < 0)
		return (int)-ret;
	if (!tracee_read(r->tracee, addr, pair, 2 * sizeof(int)))
		return load_fail(err, LOAD_E_SYSTEM, errno, "the target can't be read");
	leftover_note_pair(r, index, pair);
	return 0;
}

static void remember(struct remote *r, int index, int fd)
{
	struct errand_result *res = &r->tracee->errand->result;
	res->remote_fd[index] = fd;
	res->remote_inode[index] = channel_inode(r->tracee->pid, r->tracee->tid, fd);
}

/* Moves the target's end up and remembers it as end `index`. */
static int settle(struct remote *r, int index, int fd, struct load_error *err)
{
	int64_t high;
	if (remote_sys(r, &high, err, SYS_fcntl, (uint64_t)fd, F_DUPFD_CLOEXEC, HIGH_FD))
		return -1;
	if (high >= 0 && close_one(r, fd, err))
		return -1;
	remember(r, index, high >= 0 ? (int)high : fd);
	return 0;
}

static int close_pair(struct remote *r, const int pair[2], struct load_error *err)
{
	return close_one(r, pair[0], err) || close_one(r, pair[1], err) ? -1 : 0;
}

/* The two socket pairs, in the target. >0: the call's errno, and there is none. */
static int make_sockets(struct remote *r, int pair[2][2], struct load_error *err)
{
	struct cpu_op ops[2];
	for (int i = 0; i < 2; i++) {
		uint64_t addr = leftover_pair_addr(r, i);
		if (!addr)
			return load_fail(err, LOAD_E_SYSTEM, errno,
					 "the target can't be written to");
		ops[i] = (struct cpu_op){
			SYS_socketpair,
			{ AF_UNIX, (uint64_t)(pair_types[i] | SOCK_CLOEXEC), 0, addr },
			0
		};
	}
	if (remote_batch(r, ops, 2, err))
		return -1;
	for (int i = 0; i < 2; i++)
		if (ops[i].result >= 0 &&
		    !tracee_read(r->tracee, ops[i].arg[3], pair[i], 2 * sizeof(int)))
			return load_fail(err, LOAD_E_SYSTEM, errno,
					 "the target can't be read");
	for (int i = 0; i < 2; i++)
		if (ops[i].result < 0 && ops[!i].result >= 0 &&
		    close_pair(r, pair[!i], err))
			return -1;
	const int64_t failed = ops[0].result < 0 ? ops[0].result : ops[1].result;
	return failed < 0 ? (int)-failed : 0;
}

/* Our ends; if one can't be had, none: >0, its errno. */
static int take_ours(struct errand *e, int pidfd, pid_t maker, int pair[2][2])
{
	for (int i = 0; i < 2; i++) {
		const int ours = foreign_take(pidfd, pair[i][0]);
		if (ours < 0)
			return -ours;
		e->fds[i] = ours;
		if (!foreign_is_pair(ours, pair_types[i], maker))
			return EBADF;
	}
	return 0;
}

/* >0: can't be done this way. */
static int open_sockets(struct remote *r, int pidfd, struct load_error *err)
{
	struct errand *e = r->tracee->errand;
	struct cpu_op ops[4];
	unsigned count = 0;
	int pair[2][2] = { { -1, -1 }, { -1, -1 } };
	int failed = make_sockets(r, pair, err);
	if (failed)
		return failed;
	leftover_note_pair(r, 0, pair[0]);
	leftover_note_pair(r, 1, pair[1]);
	failed = take_ours(e, pidfd, r->tracee->pid, pair);
	for (int i = 0; i < 2; i++)
		ops[count++] = (struct cpu_op){ SYS_close, { (uint64_t)pair[i][0] }, 0 };
	for (int i = 0; i < 2; i++)
		ops[count++] = (struct cpu_op){ failed ? SYS_close : SYS_fcntl,
						{ (uint64_t)pair[i][1], F_DUPFD_CLOEXEC,
						  HIGH_FD },
						0 };
	if (remote_batch(r, ops, count, err))
		return -1;
	if (failed)
		return failed;
	for (int i = 0; i < 2; i++) {
		const int64_t high = ops[2 + i].result;
		const struct cpu_op low = { SYS_close, { (uint64_t)pair[i][1] }, 0 };
		remember(r, i, high >= 0 ? (int)high : pair[i][1]);
		if (high >= 0 && remote_later(r, &low, err))
			return -1;
	}
	return 0;
}

/* `theirs`: 1 = the target writes, 0 = the target reads. */
static int open_pipe(struct remote *r, int index, int theirs, int flags,
		     struct load_error *err)
{
	int pair[2];
	const struct tracee *t = r->tracee;
	struct errand *e = t->errand;
	int failed = make_pipe(r, index, flags, pair, err);
	if (failed > 0)
		return load_fail(err, LOAD_E_CALL, failed, "no pipe in the target: %s",
				 strerror(failed));
	if (failed)
		return -1;
	const int ours = foreign_open_pipe(&e->target->process, t->pid, t->tid,
					   pair[!theirs], !theirs);
	/* open() refuses O_DIRECT on a pipe; packets are made by the writer's flag */
	if (ours >= 0 && flags && !theirs)
		fcntl(ours, F_SETFL, flags | O_NONBLOCK);
	if (close_one(r, pair[!theirs], err))
		return -1;
	if (ours < 0) {
		close_one(r, pair[theirs], err);
		return load_fail(err, LOAD_E_SYSTEM, -ours,
				 "descriptor %d of process %d can't be opened with its "
				 "own rights: %s",
				 pair[!theirs], t->pid, strerror(-ours));
	}
	e->fds[index] = ours;
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
	int failed = pidfd < 0 ? ENOSYS : open_sockets(r, pidfd, err);
	if (failed > 0) {
		errand_log(e, "no socket pair (%s): pipes instead", strerror(failed));
		forget(e);
		failed = open_pipe(r, 0, 1, O_DIRECT, err) ||
				open_pipe(r, 1, 1, 0, err) ||
				open_pipe(r, 2, 0, O_DIRECT, err) ?
			-1 :
			0;
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
