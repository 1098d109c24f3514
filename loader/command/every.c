/* SPDX-License-Identifier: MIT */
/* every - see every.h. */
#include "loader/command/every.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/text/print.h"
#include "loader/base/amount.h"
#include "loader/base/clock.h"
#include "loader/base/foreground.h"
#include "loader/command/show.h"
#include "loader/inject/inject.h"
#include "loader/capture/receive.h"

enum { EVERY_FILES = 16 /* that growth is looked for in */ };

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

/* Files of the series, evenly spread over it, the newest always among them. */
struct every_series {
	char *file[EVERY_FILES];
	size_t count;
	uint64_t made, step; /* captures so far; each step'th is kept, a power of two */
	uint64_t objects;    /* of the capture before */
};

/* The last one stays only until a newer comes, unless it is a step'th. */
static void every_keep(struct every_series *series, const char *file)
{
	char *copy = strdup(file);

	assert(series->step && series->count <= EVERY_FILES);
	if (!copy)
		return;
	if (series->count && (series->made - 1) % series->step)
		free(series->file[--series->count]);
	if (series->count == EVERY_FILES) {
		for (size_t i = 0; i < EVERY_FILES / 2; i++) {
			free(series->file[2 * i + 1]);
			series->file[i] = series->file[2 * i];
		}
		series->count = EVERY_FILES / 2;
		series->step *= 2;
	}
	series->file[series->count++] = copy;
	series->made++;
}

/* "   3  12:00:30     714,661    +1,200   63.9 MiB   10.3 ms  a-003.pymem" */
static void every_print(const struct session *s, uint64_t number,
			struct every_series *series)
{
	const struct capture_result *r = &s->results[0];
	const int64_t more = (int64_t)(r->objects - series->objects);
	char when[16], objects[32], grown[33] = "", part[32], rss[24], held[24];
	const time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	if (series->made)
		snprintf(grown, sizeof(grown), "%c%s", more < 0 ? '-' : '+',
			 amount_count(part, (uint64_t)(more < 0 ? -more : more)));
	if (!series->made)
		print_format(stdout, "%4s  %-8s %13s %12s %10s %10s  %s\n", "", "time",
			     "objects", "more", "resident", "GIL held", "file");
	print_format(stdout, "%4llu  %-8s %13s %12s %10s %10s  %s%s\n",
		     (unsigned long long)number, when, amount_count(objects, r->objects),
		     grown, amount_bytes(rss, s->plans[0].rss),
		     amount_time(held, r->gil_held_ns), s->file,
		     r->status == CAPTURE_PARTIAL ? " (partial)" : "");
	fflush(stdout);
	series->objects = r->objects;
}

/* One capture. last: the agent goes with it. Exit status. */
static int every_once(struct session *s, uint64_t number, bool last,
		      struct every_series *series)
{
	const struct load_options *o = s->options;

	if (session_plan(s) == 0)
		return 1;
	s->row = !o->as;
	const int status = session_capture(s, number, !last || o->keep_agent, false);
	if (status == 1 || !s->file[0] || o->quiet || o->json || o->as)
		return status;
	every_print(s, number, series);
	every_keep(series, s->file);
	return status;
}

/* What grew in all of it, when two or more were made; their names go. */
static void every_show_growth(const struct session *s, struct every_series *series)
{
	foreground_heeded(); /* what ended the series doesn't end this */
	if (series->count > 1 && s->has_viewer)
		show_growth(s->viewer, (const char *const *)series->file, series->count);
	for (size_t i = 0; i < series->count; i++)
		free(series->file[i]);
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
	struct every_series series = { .step = 1 };

	for (uint64_t n = 1; n <= count; n++) {
		if (n > 1 && !every_wait_until(s, next))
			break;
		next += o->every_ns;
		if (next < clock_now()) /* a capture took longer: don't hurry after it */
			next = clock_now() + o->every_ns;
		if (every_ended(s) && n > 1)
			break;
		const int one = every_once(s, n, n == count, &series);
		removed = n == count;
		made += one != 1;
		if (one)
			status = made ? 3 : 1;
		if (every_cancelled(s) || (one == 1 && made == 0))
			break;
	}
	if (!removed)
		every_take_out(s);
	every_show_growth(s, &series);
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
