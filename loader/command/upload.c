/* SPDX-License-Identifier: MIT */
/* upload - see upload.h. */
#include "loader/command/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loader/base/foreground.h"

enum { UPLOAD_PATIENCE = 10 }; /* rounds of 100 ms */

/* Whether the shell would see that word. */
static bool upload_has_word(const char *command, const char *word)
{
	const size_t size = strlen(word);

	for (const char *at = command; (at = strstr(at, word)); at++) {
		const char before = at == command ? ' ' : at[-1], after = at[size];

		if (strchr(" \t=\"'", before) && (!after || strchr(" \t\"';|&<>", after)))
			return true;
	}
	return false;
}

static bool upload_names_file(const char *command)
{
	return strstr(command, "$1") || strstr(command, "${1") || strstr(command, "$@") ||
		upload_has_word(command, "-") || upload_has_word(command, "@-") ||
		upload_has_word(command, "/dev/stdin");
}

static void upload_exec(const char *script, const char *path)
{
	const char *const argv[] = { "sh", "-c", script, "sh", path, NULL };
	const int in = open(path, O_RDONLY | O_CLOEXEC);
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (in < 0 || null < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		_exit(126);
	foreground_default_signals();
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* Every child of ours; theirs become ours as they end. */
static void upload_kill(int sig)
{
	char path[64];
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *const f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, sig);
	if (f)
		fclose(f);
}

/* The shell's end is the command's, unless we are told to end: then everybody's is. */
static bool upload_reap(pid_t shell, bool told, int *status_ret)
{
	pid_t got;
	int status;

	while ((got = waitpid(-1, &status, WNOHANG)) > 0) {
		if (got != shell)
			continue;
		*status_ret =
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (!told)
			return true;
	}
	return got < 0 && errno == ECHILD;
}

/*
 * Runs the command, and at a signal ends it and whatever it has started, wherever that
 * went: a shell that is ended leaves its commands.
 */
static _Noreturn void upload_guard(const char *script, const char *path)
{
	static const struct timespec round = { 0, 100000000 };
	sigset_t awaited, before;
	int status = 127, rounds = 0;

	sigemptyset(&awaited);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, SIGINT);
	sigaddset(&awaited, SIGTERM);
	sigaddset(&awaited, SIGHUP);
	sigprocmask(SIG_BLOCK, &awaited, &before);
	foreground_default_signals();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	const pid_t shell = fork();
	if (shell == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		upload_exec(script, path);
	}
	while (!upload_reap(shell, rounds > 0, &status)) {
		if (rounds)
			upload_kill(rounds++ < UPLOAD_PATIENCE ? SIGTERM : SIGKILL);
		const int sig = rounds ? sigtimedwait(&awaited, NULL, &round) :
					 sigwaitinfo(&awaited, NULL);
		if (sig > 0 && sig != SIGCHLD && !rounds)
			rounds = 1;
	}
	_exit(status);
}

/* How the shell ended, where not well: it tells the end of its last command by a signal
 * as its own, or as a status above 128. */
static void upload_explain(int status, char why[UPLOAD_WHY])
{
	static const char killed[] = "the upload command was killed by signal %d (%s)";
	const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	if (WIFSIGNALED(status))
		snprintf(why, UPLOAD_WHY, killed, WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (code > 128 && code - 128 < NSIG)
		snprintf(why, UPLOAD_WHY, killed, code - 128, strsignal(code - 128));
	else
		snprintf(why, UPLOAD_WHY, "the upload command ended with status %d",
			 code);
}

bool upload_run(const char *command, const char *path, char why[UPLOAD_WHY])
{
	char *script = NULL;
	struct stat st;
	int status = 0;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, UPLOAD_WHY, "it is no file that could be read again");
		return false;
	}
	if (asprintf(&script, "%s%s", command,
		     upload_names_file(command) ? "" : " \"$1\"") < 0)
		script = NULL;
	const pid_t pid = script ? fork() : -1;
	if (pid == 0)
		upload_guard(script, path);
	const int err = errno;
	if (pid > 0)
		foreground_attend(pid, false, &status);
	free(script);
	if (pid < 0)
		snprintf(why, UPLOAD_WHY, "the upload command cannot be started: %s",
			 strerror(err));
	else
		upload_explain(status, why);
	return pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
}
