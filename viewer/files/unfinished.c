/* SPDX-License-Identifier: MIT */
/* unfinished - see unfinished.h. */
#include "viewer/files/unfinished.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { UNFINISHED_FILES = 8 };

static const int unfinished_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ };
enum { UNFINISHED_SIGNALS = sizeof(unfinished_signals) / sizeof(unfinished_signals[0]) };

static struct {
	volatile sig_atomic_t used; /* path is whole */
	char path[PATH_MAX];
} unfinished_files[UNFINISHED_FILES];
static pid_t unfinished_owner; /* a child that was forked removes nothing */

/* unlink, getpid, sigaction and raise may be called here: signal-safety(7). */
static void unfinished_end(int sig)
{
	for (int i = 0; i < UNFINISHED_FILES && getpid() == unfinished_owner; i++)
		if (unfinished_files[i].used)
			unlink(unfinished_files[i].path);
	sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	raise(sig); /* comes when the handler returns */
}

static void unfinished_watch(void)
{
	if (unfinished_owner == getpid())
		return;
	unfinished_owner = getpid();
	for (int i = 0; i < UNFINISHED_SIGNALS; i++) {
		struct sigaction now, end = { .sa_handler = unfinished_end };

		sigfillset(&end.sa_mask);
		if (sigaction(unfinished_signals[i], NULL, &now) == 0 &&
		    !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
			sigaction(unfinished_signals[i], &end, NULL);
	}
}

void unfinished_add(const char *path)
{
	const size_t size = strlen(path) + 1;
	int i = 0;

	while (i < UNFINISHED_FILES && unfinished_files[i].used)
		i++;
	if (i == UNFINISHED_FILES || size > sizeof(unfinished_files[i].path))
		return;
	memcpy(unfinished_files[i].path, path, size);
	unfinished_files[i].used = 1;
	unfinished_watch();
}

void unfinished_remove(const char *path)
{
	for (int i = 0; i < UNFINISHED_FILES; i++)
		if (unfinished_files[i].used && !strcmp(unfinished_files[i].path, path))
			unfinished_files[i].used = 0;
}
