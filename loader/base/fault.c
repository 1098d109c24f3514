/* SPDX-License-Identifier: MIT */
/* fault - see fault.h. */
#include "loader/base/fault.h"

#ifdef PYMEM_FAULTS
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAULT_SLOW_S = 300, FAULT_LOOK_MS = 20 };

static const struct {
	const char *word;
	enum fault fault;
} fault_words[] = {
	{ "kill:", FAULT_KILL },
	{ "kill-loader:", FAULT_KILL_LOADER },
	{ "kill-helper:", FAULT_KILL_HELPER },
	{ "fail:", FAULT_FAIL },
	{ "slow:", FAULT_SLOW },
};

/* Does `where` (what follows the word) mean this step? */
static bool fault_is_here(const char *where, const char *name, unsigned step,
			  unsigned ordinal)
{
	char *end;
	unsigned long number = strtoul(where, &end, 10);

	if (*end == '/') {
		if (number != ordinal)
			return false;
		where = end + 1;
		number = strtoul(where, &end, 10);
	}
	if (!*end)
		return number == step;
	const size_t length = strlen(where);
	return !strncmp(name, where, length) && (!name[length] || name[length] == ' ');
}

enum fault fault_ordered(const char *name, unsigned step, unsigned ordinal)
{
	const char *spec = getenv("PYMEM_FAULT");

	for (size_t i = 0; spec && i < sizeof(fault_words) / sizeof(*fault_words); i++) {
		const size_t length = strlen(fault_words[i].word);

		if (!strncmp(spec, fault_words[i].word, length))
			return fault_is_here(spec + length, name, step, ordinal) ?
				fault_words[i].fault :
				FAULT_NONE;
	}
	return FAULT_NONE;
}

void fault_dawdle(pid_t target)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)target);
	for (int i = 0; i < FAULT_SLOW_S * 1000 / FAULT_LOOK_MS; i++) {
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		if (fd >= 0)
			close(fd);
		text[n > 0 ? n : 0] = '\0';
		const char *state = strrchr(text, ')');
		if (!state || !strncmp(state, ") S", 3))
			return;
		poll(NULL, 0, FAULT_LOOK_MS);
	}
}

void fault_point(const char *name)
{
	const enum fault fault = fault_ordered(name, 0, 0);

	if (fault == FAULT_KILL || fault == FAULT_KILL_LOADER)
		kill(getpid(), SIGKILL);
}

#else

enum fault fault_ordered(const char *name, unsigned step, unsigned ordinal)
{
	(void)name;
	(void)step;
	(void)ordinal;
	return FAULT_NONE;
}

void fault_dawdle(pid_t target)
{
	(void)target;
}

void fault_point(const char *name)
{
	(void)name;
}

#endif
