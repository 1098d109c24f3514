/* SPDX-License-Identifier: MIT */
/*
 * clerk - see clerk.h.  The viewer's side; what the clerk does is in clerk_work.c.
 */
#include "viewer/files/clerk.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "viewer/files/clerk_word.h"
#include "viewer/files/clerk_work.h"

enum { CLERK_LOOKS = 1000, CLERK_LOOK_NS = 1000000 };

static int clerk_channel = -1;
static pid_t clerk_pid, clerk_owner; /* whose child it is */

void clerk_leave(void)
{
	const struct timespec look = { .tv_nsec = CLERK_LOOK_NS };

	if (clerk_channel < 0 || clerk_owner != getpid())
		return;
	shutdown(clerk_channel, SHUT_RDWR);
	for (int i = 0; i < CLERK_LOOKS; i++) {
		if (waitpid(clerk_pid, NULL, WNOHANG) != 0)
			return;
		nanosleep(&look, NULL);
	}
}

/* The clerk's pid, or a negative errno. */
static pid_t clerk_fork(const struct clerk_orders *orders, const int pair[2])
{
	const pid_t parent = getpid(), clerk = fork();

	if (clerk == 0) {
		close(pair[0]);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(0);
		clerk_work(orders, pair[1]);
	}
	return clerk < 0 ? -errno : clerk;
}

int clerk_start(const struct clerk_orders *orders)
{
	sigset_t all, before;
	int pair[2];

	if (!rights_ours()->more)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* a signal that ends us finds no clerk, or one that it knows */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	const pid_t clerk = clerk_fork(orders, pair);
	if (clerk > 0) {
		clerk_channel = pair[0];
		clerk_pid = clerk;
		clerk_owner = getpid();
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	if (clerk < 0) {
		close(pair[0]);
		return clerk;
	}
	if (atexit(clerk_leave))
		return -ENOMEM;
	return rights_drop();
}

bool clerk_works(void)
{
	return clerk_channel >= 0;
}

/* Has it done; the answer's result, and a descriptor in *fd_ret (NULL: none expected). */
static int clerk_ask(const struct clerk_word *word, int *fd_ret)
{
	struct clerk_answer answer = { 0 };
	ssize_t n;

	assert(clerk_works());
	if (send(clerk_channel, word, sizeof(*word), MSG_NOSIGNAL) != sizeof(*word))
		return -EPIPE;
	do
		n = clerk_receive(clerk_channel, &answer, sizeof(answer), fd_ret);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(answer))
		return -EPIPE;
	return answer.result;
}

/* False: the name is too long for any file's. */
static bool clerk_say(struct clerk_word *word, enum clerk_action action, const char *path)
{
	memset(word, 0, sizeof(*word));
	word->action = action;
	return snprintf(word->path, sizeof(word->path), "%s", path) <
		(int)sizeof(word->path);
}

/* A descriptor, or -1 with errno. */
static int clerk_get(struct clerk_word *word, bool said)
{
	int fd = -1;
	const int result = said ? clerk_ask(word, &fd) : -ENAMETOOLONG;

	if (result < 0)
		errno = -result;
	return result < 0 ? -1 : fd;
}

int clerk_open(const char *path, int flags)
{
	struct clerk_word word;
	const bool said = clerk_say(&word, CLERK_OPEN, path);

	word.flags = flags;
	return clerk_get(&word, said);
}

int clerk_open_special(const char *path)
{
	struct clerk_word word;
	const bool said = clerk_say(&word, CLERK_OPEN_SPECIAL, path);

	return clerk_get(&word, said);
}

int clerk_listen(const char *path)
{
	struct clerk_word word;
	const bool said = clerk_say(&word, CLERK_LISTEN, path);

	return clerk_get(&word, said);
}

void clerk_unlisten(void)
{
	struct clerk_word word;

	clerk_say(&word, CLERK_UNLISTEN, "");
	clerk_ask(&word, NULL);
}

bool clerk_is_special(const char *path)
{
	struct clerk_word word;

	return clerk_say(&word, CLERK_IS_SPECIAL, path) && clerk_ask(&word, NULL) == 1;
}

bool clerk_may_open(const char *path)
{
	struct clerk_word word;

	return clerk_say(&word, CLERK_MAY_OPEN, path) && clerk_ask(&word, NULL) == 1;
}

bool clerk_knows(const char *path)
{
	struct clerk_word word;

	return clerk_say(&word, CLERK_KNOWS, path) && clerk_ask(&word, NULL) == 1;
}

int clerk_create(struct new_file *ret)
{
	struct clerk_word word;
	int result = -ENAMETOOLONG;

	ret->fd = -1;
	if (clerk_say(&word, CLERK_CREATE, ret->path))
		result = clerk_ask(&word, &ret->fd);
	if (result >= 0 && ret->fd < 0)
		result = -EPIPE;
	ret->number = result;
	return result < 0 ? result : 0;
}

int clerk_remove(const char *path)
{
	struct clerk_word word;

	return clerk_say(&word, CLERK_REMOVE, path) ? clerk_ask(&word, NULL) :
						      -ENAMETOOLONG;
}

int clerk_commit(struct new_file *file)
{
	struct clerk_word word;

	clerk_say(&word, CLERK_COMMIT, "");
	word.flags = file->number;
	return clerk_ask(&word, NULL);
}

void clerk_abort(struct new_file *file)
{
	struct clerk_word word;

	if (file->number < 0)
		return;
	clerk_say(&word, CLERK_ABORT, "");
	word.flags = file->number;
	clerk_ask(&word, NULL);
}
