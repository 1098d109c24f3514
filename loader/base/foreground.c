/* SPDX-License-Identifier: MIT */
/* foreground - see foreground.h. */
#include "loader/base/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FOREGROUND_PATIENCE = 20 }; /* rounds of 100 ms */

static volatile sig_atomic_t foreground_last;

void foreground_default_signals(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		signal(ours[i], SIG_DFL);
}

bool foreground_wait(pid_t pid, bool block, int *status_ret)
{
	for (;;) {
		int status = -1;
		const pid_t got =
			waitpid(pid, &status, WUNTRACED | (block ? 0 : WNOHANG));

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			return false;
		if (got == pid && WIFSTOPPED(status)) {
			raise(SIGSTOP);
			kill(pid, SIGCONT);
			if (block)
				continue;
			return false;
		}
		*status_ret = got == pid ? status : -1;
		return true;
	}
}

void foreground_on_signal(int sig)
{
	foreground_last = sig;
}

void foreground_heeded(void)
{
	foreground_last = 0;
}

int foreground_told(void)
{
	return foreground_last;
}

const char *foreground_signal_name(int sig)
{
	return sig == SIGINT ? "SIGINT" : sig == SIGHUP ? "SIGHUP" : "SIGTERM";
}

/* Until a child ends or stops, or one of our handlers has run, or the time is over. */
static void foreground_pause(int children, const sigset_t *handled,
			     const struct timespec *limit)
{
	struct pollfd p = { children, POLLIN, 0 };
	struct signalfd_siginfo info;

	if (ppoll(&p, 1, limit, handled) > 0)
		while (read(children, &info, sizeof(info)) > 0)
			;
}

/* Told to end? Then the child is, the more firmly the longer it takes. */
static void foreground_end(pid_t pid, bool has_terminal, int *rounds)
{
	const int sig = foreground_told();

	if (!sig || (has_terminal && sig == SIGINT))
		return;
	if (*rounds == 0)
		kill(pid, has_terminal ? sig : SIGTERM);
	else if (*rounds == FOREGROUND_PATIENCE)
		kill(pid, SIGKILL);
	++*rounds;
}

void foreground_attend(pid_t pid, bool has_terminal, int *status_ret)
{
	static const int handled[] = { SIGINT, SIGTERM, SIGHUP };
	static const struct timespec round = { 0, 100000000 };
	sigset_t children, blocked, before, waiting;
	int rounds = 0;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	blocked = children;
	for (size_t i = 0; i < sizeof(handled) / sizeof(*handled); i++)
		sigaddset(&blocked, handled[i]);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	waiting = before;
	sigaddset(&waiting, SIGCHLD);
	const int fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	while (!foreground_wait(pid, false, status_ret)) {
		foreground_end(pid, has_terminal, &rounds);
		foreground_pause(fd, &waiting, fd < 0 || rounds ? &round : NULL);
	}
	if (fd >= 0)
		close(fd);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
