/* SPDX-License-Identifier: MIT */
#include "viewer/live/follow_text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/text/print.h"
#include "viewer/live/feed.h"
#include "viewer/live/history.h"
#include "viewer/live/record.h"
#include "viewer/text/human.h"

enum { GROWN = 5 };

struct follow {
	FILE *out;
	struct history history;
	bool partial;
};

static volatile sig_atomic_t stop;

static void follow_text_on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void follow_text_stamp(FILE *out)
{
	char text[32];
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	print_format(out, "%s ", text);
}

/* Newest minus the one before. */
static double follow_text_step_of(const struct series *s, const double *values)
{
	return s->samples > 1 ? values[s->samples - 1] - values[s->samples - 2] : 0;
}

static int follow_text_by_step(const void *a, const void *b)
{
	const struct series *x = *(struct series *const *)a,
			    *y = *(struct series *const *)b;
	double dx = follow_text_step_of(x, x->bytes),
	       dy = follow_text_step_of(y, y->bytes);

	return dx < dy ? 1 : dx > dy ? -1 : strcmp(x->name, y->name);
}

static void follow_text_print_grown(const struct follow *f, uint64_t pid)
{
	const struct history *h = &f->history;
	struct series **list = malloc((h->count + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; list && i < h->count; i++)
		if (h->series[i]->pid == pid &&
		    follow_text_step_of(h->series[i], h->series[i]->bytes) > 0)
			list[n++] = h->series[i];
	if (list)
		qsort(list, n, sizeof(*list), follow_text_by_step);
	for (size_t i = 0; i < n && i < GROWN; i++) {
		char count[HUMAN_SIZE], bytes[HUMAN_SIZE];
		print_format(f->out, "    %s  %s  %s\n", list[i]->name,
			     human_count_diff(count,
					      (int64_t)follow_text_step_of(
						      list[i], list[i]->count)),
			     human_bytes_diff(bytes,
					      (int64_t)follow_text_step_of(
						      list[i], list[i]->bytes)));
	}
	free(list);
}

static void follow_text_on_began(void *arg, struct incoming *in)
{
	(void)arg;
	(void)in;
}

static void follow_text_on_ended(void *arg, struct incoming *in)
{
	struct follow *f = arg;
	char count[HUMAN_SIZE], bytes[HUMAN_SIZE];

	follow_text_stamp(f->out);
	f->partial |= !in->complete;
	if (!in->heap) {
		print_format(f->out, "%s\n", in->problem);
		fflush(f->out);
		return;
	}
	uint64_t pid = heap_fact_u64(in->heap, "pid", 0);
	print_format(f->out, "pid %" PRIu64 ": %s objects, %s, %s%s%s\n", pid,
		     human_count(count, in->heap->objects),
		     human_bytes_u64(bytes, in->heap->size),
		     in->complete ? "complete" : "truncated", in->problem[0] ? ": " : "",
		     in->problem);
	record_types(&f->history, in->heap, pid);
	follow_text_print_grown(f, pid);
	fflush(f->out);
}

static void follow_text_on_note(void *arg, const char *sentence)
{
	struct follow *f = arg;

	follow_text_stamp(f->out);
	print_format(f->out, "%s\n", sentence);
	fflush(f->out);
}

static const struct feed_ops ops = { follow_text_on_began, follow_text_on_ended,
				     follow_text_on_note };

/* Signals are let in only while waiting, so that none is missed. */
static void follow_text_run(struct feed *feed)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = follow_text_on_signal };
	struct pollfd fds[FEED_MAX_POLL];
	sigset_t blocked, open;

	sigemptyset(&blocked);
	for (size_t i = 0; i < 3; i++) {
		sigaddset(&blocked, ending[i]);
		sigaction(ending[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &open);
	while (!stop && (feed_listens(feed) || feed_open_streams(feed))) {
		int n = feed_poll(feed, fds, FEED_MAX_POLL), ms = feed_timeout(feed);
		struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
		if (ppoll(fds, (nfds_t)n, ms < 0 ? NULL : &t, &open) >= 0)
			feed_serve(feed, fds, n);
	}
	sigprocmask(SIG_SETMASK, &open, NULL);
}

int follow_text(int fd, const char *path, const char *folder, FILE *out)
{
	struct follow f = { .out = out };
	char err[400];
	struct feed *feed = feed_create(NULL, &ops, &f);

	if (!feed || (fd >= 0 && feed_add(feed, fd) < 0) ||
	    (folder && feed_save(feed, folder) < 0)) {
		print_format(stderr, "pymem-view: out of memory\n");
		feed_destroy(feed);
		return 1;
	}
	if (path && feed_listen(feed, path, err, sizeof(err)) < 0) {
		print_format(stderr, "pymem-view: %s\n", err);
		feed_destroy(feed);
		return 1;
	}
	if (path)
		follow_text_on_note(&f, "listening");
	follow_text_run(feed);
	feed_destroy(feed);
	history_free(&f.history);
	return f.partial ? 3 : 0;
}
