/* SPDX-License-Identifier: MIT */
/* every - see every.h. */
#include "loader/command/every.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/print.h"
#include "loader/base/clock.h"
#include "loader/inject/inject.h"
#include "loader/capture/receive.h"

/* Waits until `when` (clock_now). False: cancelled, or the process has ended. */
static bool every_wait_until(const struct session *s, uint64_t when)
{
	for (;;) {
		const uint64_t now = clock_now();

		if (now >= when)
			return true;
		const uint64_t ms = (when - now) / 1000000 + 1;
		struct pollfd p = { .fd = s->cancel_fd, .events = POLLIN };
		if (poll(&p, 1, ms > 1000 ? 1000 : (int)ms) > 0)
			return false;
		if (kill(s->options->pids[0], 0) < 0 && errno == ESRCH)
			return false;
	}
}

static bool every_cancelled(const struct session *s)
{
	struct pollfd p = { .fd = s->cancel_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static bool every_ended(const struct session *s)
{
	return kill(s->options->pids[0], 0) < 0 && errno == ESRCH;
}

/* "a/b.pymem" -> "a/b-%n.pymem", unless the name varies already. NULL: as it is. */
static char *every_numbered(const char *name)
{
	char *ret = NULL;

	if (!name || strstr(name, "%n") || strstr(name, "%t"))
		return NULL;
	const char *dot = strrchr(name, '.');
	const char *slash = strrchr(name, '/');
	if (!dot || (slash && dot < slash))
		dot = name + strlen(name);
	if (asprintf(&ret, "%.*s-%%n%s", (int)(dot - name), name, dot) < 0)
		return NULL;
	return ret;
}

/* One capture. last: the agent goes with it. Exit status. */
static int every_once(struct session *s, uint64_t number, bool last)
{
	if (session_plan(s) == 0)
		return 1;
	return session_capture(s, number, !last || s->options->keep_agent, false);
}

/* Stopped between two captures: takes the waiting agent out. */
static void every_take_out(const struct session *s)
{
	struct load_error err = { 0 };

	if (s->options->keep_agent || every_ended(s))
		return;
	const struct inject_options options = { .agent = s->agent->data,
						.agent_size = s->agent->size,
						.cancel_fd = s->cancel_fd };
	if (inject_remove(s->options->pids[0], &options, &err) < 0 &&
	    err.code != LOAD_E_GONE && err.code != LOAD_E_UNSUPPORTED &&
	    err.code != LOAD_E_NOT_PYTHON) /* these never had it */
		print_format(stderr,
			     "pymem-load: the agent stays loaded (it does nothing): %s\n",
			     err.text);
}

static int every_loop(struct session *s)
{
	const struct load_options *o = s->options;
	const uint64_t count = o->count ? o->count : UINT64_MAX;
	uint64_t made = 0, next = clock_now();
	int status = 0;
	bool removed = false;

	for (uint64_t n = 1; n <= count; n++) {
		if (n > 1 && !every_wait_until(s, next))
			break;
		next += o->every_ns;
		if (next < clock_now()) /* a capture took longer: don't hurry after it */
			next = clock_now() + o->every_ns;
		if (every_ended(s) && n > 1)
			break;
		const int one = every_once(s, n, n == count);
		removed = n == count;
		made += one != 1;
		if (one)
			status = made ? 3 : 1;
		if (every_cancelled(s) || (one == 1 && made == 0))
			break;
	}
	if (!removed)
		every_take_out(s);
	if (made == 0)
		return 1;
	return o->count && made < o->count ? 3 : status;
}

int every_run(struct session *s)
{
	struct load_options own = *s->options;
	const struct load_options *given = s->options;
	char *name = every_numbered(given->output);

	if (name)
		own.output = name;
	s->options = &own;
	const int status = every_loop(s);
	s->options = given;
	free(name);
	return status;
}
