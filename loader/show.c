/* SPDX-License-Identifier: MIT */
/* show - see show.h. */
#include "loader/show.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/child.h"

bool show_interactive(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
		strcmp(term, "dumb") != 0;
}

static int run(const char *const *argv)
{
	int status = -1;

	fflush(stdout);
	const pid_t pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid > 0)
		child_wait(pid, true, &status);
	return pid > 0 && status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

int show_viewer(const char *viewer, const char *file, const char *compare)
{
	const char *const plain[] = { viewer, "--", file, NULL };
	const char *const diff[] = { viewer, "--compare", compare, "--", file, NULL };

	return run(compare ? diff : plain);
}

int show_reports(const char *viewer, const char *file, const char *compare)
{
	/* One run: overview (with the first suspects), types, and differences. */
	const char *const plain[] = { viewer, "--format", "text", "--limit",
				      "15",   "--",	  file,	  NULL };
	const char *const diff[] = { viewer,	  "--format", "text", "--limit", "15",
				     "--compare", compare,    "--",   file,	 NULL };

	return run(compare ? diff : plain);
}
