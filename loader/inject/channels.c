/* SPDX-License-Identifier: MIT */
/* channels - see channels.h. */
#include "loader/inject/channels.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loader/target/foreign.h"
#include "loader/inject/orphans.h"
#include "loader/inject/remote_run.h"
#include "loader/target/limits.h"

#define HIGH_FD 1000

static const int pair_types[2] = { SOCK_SEQPACKET, SOCK_STREAM };

static int channels_close_one(struct remote *r, int fd, struct load_error *err)
{
	int64_t ret;

	return remote_sys(r, &ret, err, SYS_close, (uint64_t)fd);
}

/* A pipe in the target, the `index`-th pair. >0: the call's errno. */
static int channels_make_pipe(struct remote *r, int index, int flags, int pair[2],
			      struct load_error *err)
{
	int64_t ret;
	uint64_t addr = orphans_pair_addr(r, index);

	if (!addr)
		return load_fail(err, LOAD_E_SYSTEM, errno,
				 "the target can't be written to");
	if (remote_sys(r, &ret, err, SYS_pipe2, addr, (uint64_t)(O_CLOEXEC | flags)))
		return -1;
	if (ret < 0)
		return (int)-ret;
	if (!tracee_read(r->tracee, addr, pair, 2 * sizeof(int)))
		return load_fail(err, LOAD_E_SYSTEM, errno, "the target can't be read");
	orphans_note_pair(r, index, pair);
	return 0;
}

static void channels_remember(struct remote *r, int index, int fd)
{
	struct helper_result *res = &r->tracee->helper->result;

	assert(index >= 0 && index < 3 && fd >= 0);
	res->remote_fd[index] = fd;
	res->remote_inode[index] = foreign_look(r->tracee->pid, r->tracee->tid, fd).inode;
}

/* Moves the target's end up and remembers it as end `index`. */
static int channels_settle(struct remote *r, int index, int fd, struct load_error *err)
{
	int64_t high;

	if (remote_sys(r, &high, err, SYS_fcntl, (uint64_t)fd, F_DUPFD_CLOEXEC, HIGH_FD))
		return -1;
	if (high >= 0 && channels_close_one(r, fd, err))
		return -1;
	channels_remember(r, index, high >= 0 ? (int)high : fd);
	return 0;
}

static int channels_close_pair(struct remote *r, const int pair[2],
			       struct load_error *err)
{
	return channels_close_one(r, pair[0], err) ||
			channels_close_one(r, pair[1], err) ?
		-1 :
		0;
}

/* The two socket pairs, in the target. >0: the call's errno, and there is none. */
static int channels_make_sockets(struct remote *r, int pair[2][2], struct load_error *err)
{
	struct cpu_op ops[2];

	for (int i = 0; i < 2; i++) {
		uint64_t addr = orphans_pair_addr(r, i);

		if (!addr)
			return load_fail(err, LOAD_E_SYSTEM, errno,
					 "the target can't be written to");
		ops[i] = (struct cpu_op){
			SYS_socketpair,
			{ AF_UNIX, (uint64_t)(pair_types[i] | SOCK_CLOEXEC), 0, addr },
			0
		};
	}
	if (remote_run_batch(r, ops, 2, err))
		return -1;
	for (int i = 0; i < 2; i++)
		if (ops[i].result >= 0 &&
		    !tracee_read(r->tracee, ops[i].arg[3], pair[i], 2 * sizeof(int)))
			return load_fail(err, LOAD_E_SYSTEM, errno,
					 "the target can't be read");
	for (int i = 0; i < 2; i++)
		if (ops[i].result < 0 && ops[!i].result >= 0 &&
		    channels_close_pair(r, pair[!i], err))
			return -1;
	const int64_t failed = ops[0].result < 0 ? ops[0].result : ops[1].result;
	return failed < 0 ? (int)-failed : 0;
}

/* Our ends; if one can't be had, none: >0, its errno. */
static int channels_take_ours(struct helper *h, int pidfd, pid_t maker, int pair[2][2])
{
	for (int i = 0; i < 2; i++) {
		const int ours = foreign_take(pidfd, pair[i][0]);

		if (ours < 0)
			return -ours;
		h->fds[i] = ours;
		if (!foreign_is_pair(ours, pair_types[i], maker))
			return EBADF;
	}
	return 0;
}

/* >0: can't be done this way. */
static int channels_open_sockets(struct remote *r, int pidfd, struct load_error *err)
{
	struct helper *h = r->tracee->helper;
	struct cpu_op ops[4];
	unsigned count = 0;
	int pair[2][2] = { { -1, -1 }, { -1, -1 } };
	int failed = channels_make_sockets(r, pair, err);

	if (failed)
		return failed;
	orphans_note_pair(r, 0, pair[0]);
	orphans_note_pair(r, 1, pair[1]);
	failed = channels_take_ours(h, pidfd, r->tracee->pid, pair);
	for (int i = 0; i < 2; i++)
		ops[count++] = (struct cpu_op){ SYS_close, { (uint64_t)pair[i][0] }, 0 };
	for (int i = 0; i < 2; i++)
		ops[count++] = (struct cpu_op){ failed ? SYS_close : SYS_fcntl,
						{ (uint64_t)pair[i][1], F_DUPFD_CLOEXEC,
						  HIGH_FD },
						0 };
	if (remote_run_batch(r, ops, count, err))
		return -1;
	if (failed)
		return failed;
	for (int i = 0; i < 2; i++) {
		const int64_t high = ops[2 + i].result;
		const struct cpu_op low = { SYS_close, { (uint64_t)pair[i][1] }, 0 };

		channels_remember(r, i, high >= 0 ? (int)high : pair[i][1]);
		if (high >= 0 && remote_run_later(r, &low, err))
			return -1;
	}
	return 0;
}

static int channels_refused(const struct remote *r, int failed, struct load_error *err)
{
	char limits[200] = "";

	if (failed == EMFILE && !r->copy)
		limits_descriptors_words(r->tracee->helper->target->pid, limits,
					 sizeof(limits));
	return load_fail(err, LOAD_E_CALL, failed, "no pipe in the target: %s%s%s",
			 strerror(failed), *limits ? ": " : "", limits);
}

/* `theirs`: 1 = the target writes, 0 = the target reads. */
static int channels_open_pipe(struct remote *r, int index, int theirs, int flags,
			      struct load_error *err)
{
	int pair[2];
	const struct tracee *t = r->tracee;
	struct helper *h = t->helper;
	int failed = channels_make_pipe(r, index, flags, pair, err);

	if (failed > 0)
		return channels_refused(r, failed, err);
	if (failed)
		return -1;
	const int ours = foreign_open_pipe(&h->target->process, t->pid, t->tid,
					   pair[!theirs], !theirs);
	/* open() refuses O_DIRECT on a pipe; packets are made by the writer's flag */
	if (ours >= 0 && flags && !theirs)
		fcntl(ours, F_SETFL, flags | O_NONBLOCK);
	if (channels_close_one(r, pair[!theirs], err))
		return -1;
	if (ours < 0) {
		channels_close_one(r, pair[theirs], err);
		return load_fail(err, LOAD_E_SYSTEM, -ours,
				 "descriptor %d of process %d can't be opened with its "
				 "own rights: %s",
				 pair[!theirs], h->target->pid, strerror(-ours));
	}
	h->fds[index] = ours;
	return channels_settle(r, index, pair[theirs], err);
}

static void channels_forget(struct helper *h)
{
	for (int i = 0; i < 3; i++) {
		if (h->fds[i] >= 0)
			close(h->fds[i]);
		h->fds[i] = h->result.remote_fd[i] = -1;
		h->result.remote_inode[i] = 0;
	}
}

int channels_open(struct remote *r, int pidfd, struct load_error *err)
{
	struct helper *h = r->tracee->helper;

	channels_forget(h);
	int failed = pidfd < 0 ? ENOSYS : channels_open_sockets(r, pidfd, err);
	if (failed > 0) {
		helper_log(h, "no socket pair (%s): pipes instead", strerror(failed));
		channels_forget(h);
		failed = channels_open_pipe(r, 0, 1, O_DIRECT, err) ||
				channels_open_pipe(r, 1, 1, 0, err) ||
				channels_open_pipe(r, 2, 0, O_DIRECT, err) ?
			-1 :
			0;
	}
	return failed;
}

int channels_close_remote(struct remote *r, const struct helper_result *ends,
			  struct load_error *err)
{
	for (int i = 0; i < 3; i++) {
		int fd = ends->remote_fd[i];

		if (fd < 0 || !ends->remote_inode[i] ||
		    foreign_look(r->tracee->pid, r->tracee->tid, fd).inode !=
			    ends->remote_inode[i])
			continue;
		if (channels_close_one(r, fd, err))
			return -1;
	}
	return 0;
}
