/* SPDX-License-Identifier: MIT */
/* launch - see launch.h. */
#include "loader/command/launch.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/text/print.h"

/* Sets unless the user did. */
static int launch_offer(const char *name, const char *value)
{
	return setenv(name, value, 0);
}

static int launch_preload(const char *agent)
{
	const char *old = getenv("LD_PRELOAD");
	char *list = NULL;

	if (!old || !*old)
		return setenv("LD_PRELOAD", agent, 1);
	if (strstr(old, agent))
		return 0;
	if (asprintf(&list, "%s:%s", agent, old) < 0)
		return -1;
	const int r = setenv("LD_PRELOAD", list, 1);
	free(list);
	return r;
}

static bool launch_has_trigger(void)
{
	static const char *const triggers[] = {
		"PYMEM_SIGNAL",	 "PYMEM_INTERVAL",     "PYMEM_RSS_LIMIT",
		"PYMEM_AT_EXIT", "PYMEM_MEMORY_ERROR", "PYMEM_ON_MEMORY_ERROR",
		"PYMEM_CONTROL", "PYMEM_LIMIT",	       "PYMEM_PRESSURE",
		"PYMEM_GROWTH",
	};

	for (size_t i = 0; i < sizeof(triggers) / sizeof(*triggers); i++) {
		if (getenv(triggers[i]))
			return true;
	}
	return false;
}

/* The agent's patterns know %p and %t; absolute, since the program may chdir. */
static int launch_offer_output(const struct load_options *o, char error[512])
{
	char cwd[PATH_MAX], path[2 * PATH_MAX];
	const char *name = o->output;

	if (getenv("PYMEM_OUTPUT") || getenv("PYMEM_SOCKET"))
		return 0;
	if (!name) {
		if (mkdir("pymem_out", 0700) < 0 && errno != EEXIST) {
			snprintf(error, 512,
				 "cannot make the folder pymem_out here: %s; choose "
				 "another place with -f FILE",
				 strerror(errno));
			return -1;
		}
		name = "pymem_out/pymem-snapshot-%t-%p.pymem";
	}
	if (strcmp(name, "-") == 0) {
		snprintf(error, 512,
			 "-f - cannot be combined with a command: its standard "
			 "output is its own; name a file");
		return -1;
	}
	if (name[0] == '/') {
		snprintf(path, sizeof(path), "%s", name);
	} else if (getcwd(cwd, sizeof(cwd))) {
		snprintf(path, sizeof(path), "%s/%s", cwd, name);
	} else {
		snprintf(error, 512, "cannot tell the current folder: %s",
			 strerror(errno));
		return -1;
	}
	/* its standard error may be read by a program: only a person is told */
	if (!o->quiet && isatty(STDERR_FILENO))
		print_format(stderr,
			     "pymem-load: snapshots go to %s (%%p: process, %%t: time)\n",
			     path);
	return launch_offer("PYMEM_OUTPUT", path);
}

int launch_command(const struct load_options *o, const struct agent_file *agent,
		   char error[512])
{
	char number[32];

	if (strpbrk(agent->path, " :")) {
		snprintf(error, 512,
			 "the path of the agent, %.300s, has a space or a colon, "
			 "which LD_PRELOAD cannot hold: move it, or name another with "
			 "PYMEM_AGENT",
			 agent->path);
		return -1;
	}
	if (launch_offer_output(o, error) < 0)
		return -1;
	int r = launch_preload(agent->path);
	if (o->no_values)
		r |= launch_offer("PYMEM_VALUES", "0");
	if (o->value_limit) { /* there 1 is a yes */
		snprintf(number, sizeof(number), "%u",
			 o->value_limit > 1 ? o->value_limit : 2);
		r |= launch_offer("PYMEM_VALUES", number);
	}
	if (o->every_ns) {
		snprintf(number, sizeof(number), "%" PRIu64 "ms", o->every_ns / 1000000);
		r |= launch_offer("PYMEM_INTERVAL", number);
	}
	if (!launch_has_trigger())
		r |= launch_offer("PYMEM_AT_EXIT", "1");
	if (r != 0) {
		snprintf(error, 512, "cannot set the environment: %s", strerror(errno));
		return -1;
	}
	/* Ours, not the agent's: it would wonder at them. */
	unsetenv("PYMEM_AGENT");
	unsetenv("PYMEM_VIEW");
	execvp(o->command[0], o->command);
	snprintf(error, 512, "cannot run %.300s: %s", o->command[0], strerror(errno));
	return -1;
}
