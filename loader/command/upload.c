/* SPDX-License-Identifier: MIT */
/* upload - see upload.h. */
#include "loader/command/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/base/foreground.h"

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

int upload_run(const char *command, const char *path)
{
	char *script = NULL;
	int status = -1;

	if (asprintf(&script, "%s%s", command,
		     upload_names_file(command) ? "" : " \"$1\"") < 0)
		return -1;
	const pid_t pid = fork();
	if (pid == 0)
		upload_exec(script, path);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	free(script);
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
