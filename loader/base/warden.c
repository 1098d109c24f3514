/* SPDX-License-Identifier: MIT */
/* warden - see warden.h. */
#include "loader/base/warden.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/base/foreground.h"

enum { WARDEN_PATIENCE_MS = 1000 };

/* Signals that somebody meant for the program; a terminal sends them to the child too. */
static const int warden_passes[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/* As the child ended. */
static _Noreturn void warden_follow(int status)
{
	if (WIFSIGNALED(status)) {
		const struct rlimit none = { 0, 0 };
		sigset_t all;
		setrlimit(RLIMIT_CORE, &none); /* the child has left one, if anybody */
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		sigfillset(&all);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void warden_pass_on(int signals, pid_t child)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
			kill(child, (int)info.ssi_signo);
}

/* The child gave up and may not be able to end. */
static _Noreturn void warden_leave(pid_t child, int status)
{
	int unused;

	for (int ms = 0; ms < WARDEN_PATIENCE_MS; ms += 10) {
		if (foreground_wait(child, false, &unused))
			break;
		poll(NULL, 0, 10);
	}
	_exit(status);
}

static _Noreturn void warden_watch(pid_t child, int signals, int word)
{
	struct pollfd p[2] = { { signals, POLLIN, 0 }, { word, POLLIN, 0 } };
	int status;

	for (;;) {
		unsigned char byte;
		if (foreground_wait(child, false, &status))
			warden_follow(status);
		if (poll(p, 2, -1) < 0)
			continue;
		warden_pass_on(signals, child);
		if (!p[1].revents)
			continue;
		if (read(word, &byte, 1) == 1)
			warden_leave(child, byte);
		p[1].fd = -1; /* closed: it ends, or has closed what it doesn't know */
	}
}

int warden_begin(void)
{
	const pid_t warden = getpid();
	sigset_t caught, before;
	int word[2];

	sigemptyset(&caught);
	sigaddset(&caught, SIGCHLD);
	for (size_t i = 0; i < sizeof(warden_passes) / sizeof(warden_passes[0]); i++)
		sigaddset(&caught, warden_passes[i]);
	signal(SIGCHLD, SIG_DFL); /* ignored, children couldn't be waited for */
	sigprocmask(SIG_BLOCK, &caught, &before);
	const int signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	const bool piped = signals >= 0 && pipe2(word, O_CLOEXEC) == 0;
	const pid_t child = piped ? fork() : -1;
	if (child > 0) {
		close(word[1]);
		warden_watch(child, signals, word[0]);
	}
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != warden)
			_exit(1);
		close(word[0]);
	} else if (piped) {
		close(word[0]);
		close(word[1]);
	}
	if (signals >= 0)
		close(signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return child == 0 ? word[1] : -1;
}
