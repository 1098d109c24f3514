/* SPDX-License-Identifier: MIT */
#include "viewer/screen/live_pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "viewer/live/feed.h"
#include "viewer/live/record.h"
#include "viewer/screen/app.h"

/* A snapshot that came, until its page is made. */
struct arrival {
	struct arrival *next;
	struct page *page; /* its stream page */
	struct heap *heap; /* NULL: could not be made */
	bool complete;
	char problem[320];
};

struct live {
	struct arrival *first, **last;
	struct history types, paths;
	unsigned version;
	bool compared; /* diff pages were made */
};

const struct history *live_history(const struct app *app, bool paths)
{
	return !app->live ? NULL : paths ? &app->live->paths : &app->live->types;
}

unsigned live_version(const struct app *app)
{
	return app->live ? app->live->version : 0;
}

static void live_pages_on_began(void *arg, struct incoming *in)
{
	struct app *app = arg;
	struct page *page = page_create(app, PAGE_STREAM, NULL);

	in->owner = page;
	if (!page || app_insert_page(app, page, app->npages) < 0) {
		page_destroy(page);
		in->owner = NULL;
		return;
	}
	page->incoming = in;
}

static void live_pages_on_ended(void *arg, struct incoming *in)
{
	struct app *app = arg;
	struct page *page = in->owner;
	struct arrival *a = page ? calloc(1, sizeof(*a)) : NULL;

	if (!a) {
		app_say(app, STYLE_ERROR, "a snapshot was lost: out of memory");
		return;
	}
	page->incoming = NULL;
	a->page = page;
	a->heap = in->heap;
	a->complete = in->complete;
	memcpy(a->problem, in->problem, sizeof(a->problem));
	in->heap = NULL;
	*app->live->last = a;
	app->live->last = &a->next;
}

static void live_pages_on_note(void *arg, const char *sentence)
{
	app_say(arg, STYLE_WARN, "%s", sentence);
}

static const struct feed_ops feed_ops = { live_pages_on_began, live_pages_on_ended,
					  live_pages_on_note };

int live_pages_begin(struct app *app, char *err, size_t size)
{
	const struct screen_options *o = app->options;

	if (o->live_fd < 0 && !o->listen)
		return 0;
	app->live = calloc(1, sizeof(*app->live));
	app->feed = feed_create(NULL, &feed_ops, app);
	if (!app->live || !app->feed) {
		snprintf(err, size, "out of memory");
		return -1;
	}
	app->live->last = &app->live->first;
	if (o->listen) {
		struct page *growth = page_create(app, PAGE_GROWTH, NULL);
		if (!growth || app_insert_page(app, growth, 0) < 0) {
			page_destroy(growth);
			snprintf(err, size, "out of memory");
			return -1;
		}
		app->current = 0;
		if (o->save && feed_save(app->feed, o->save) < 0) {
			snprintf(err, size, "out of memory");
			return -1;
		}
		if (feed_listen(app->feed, o->listen, err, size) < 0)
			return -1;
	}
	if (o->live_fd >= 0 && feed_add(app->feed, o->live_fd) < 0) {
		snprintf(err, size, "out of memory");
		return -1;
	}
	return 0;
}

/* What the growth page shows. Paths need the analysis, which Esc may stop. */
static void live_pages_record(struct app *app, struct process *process)
{
	uint64_t pid = process_pid(process);

	record_types(&app->live->types, process->heap, pid);
	app_work_begin(app);
	int err = workspace_analyse(&app->workspace, process, &app->progress);
	if (!err)
		err = record_paths(&app->live->paths, process->analysis, pid,
				   &app->progress);
	app_work_end(app);
	if (err)
		app_say(app, STYLE_WARN, "no growth by path for this snapshot: %s",
			err == -ECANCELED ? "stopped" : "out of memory");
}

/* The newest snapshot of the same process, to compare with. */
static struct process *live_pages_previous(const struct app *app, uint64_t pid)
{
	struct process *found = NULL;

	for (int i = 0; i < app->npages; i++) {
		struct process *p = app->pages[i]->process;
		if (app->pages[i]->kind == PAGE_PROCESS && p && process_pid(p) == pid)
			found = p;
	}
	return found;
}

static int live_pages_page_index(const struct app *app, const struct page *page)
{
	for (int i = 0; i < app->npages; i++)
		if (app->pages[i] == page)
			return i;
	return -1;
}

/* What to call a snapshot that came: the file it is written to, or its number and
 * time. */
static void live_pages_name_arrival(const struct app *app, char *name, size_t size)
{
	struct tm tm;
	time_t now = time(NULL);

	if (!app->options->listen && app->options->live_name) {
		snprintf(name, size, "%s", app->options->live_name);
		return;
	}
	localtime_r(&now, &tm);
	snprintf(name, size, "#%u at %02d:%02d:%02d", app->live->version + 1, tm.tm_hour,
		 tm.tm_min, tm.tm_sec);
}

/* Turns the arrival's stream page into one of its process. */
static void live_pages_make_process_page(struct app *app, struct arrival *a)
{
	const struct screen_options *o = app->options;
	char name[4096];

	live_pages_name_arrival(app, name, sizeof(name));
	struct process *old = live_pages_previous(app, heap_fact_u64(a->heap, "pid", 0));
	struct process *process = workspace_add(&app->workspace, a->heap, name);
	if (!process) {
		app_say(app, STYLE_ERROR, "a snapshot was lost: out of memory");
		heap_destroy(a->heap);
		return;
	}
	process->live = true;
	snprintf(process->problem, sizeof(process->problem), "%s", a->problem);
	if (o->listen)
		process->old = old;
	app->partial |= !a->complete;
	page_reset(a->page, PAGE_PROCESS, process);
	if (a->problem[0])
		app_say(app, STYLE_WARN, "pid %" PRIu64 ": %s", process_pid(process),
			a->problem);
	if (o->listen)
		live_pages_record(app, process);
	app->live->version++;
}

static void live_pages_settle_one(struct app *app, struct arrival *a)
{
	int at = live_pages_page_index(app, a->page);

	if (at < 0) {
		heap_destroy(a->heap);
	} else if (!a->heap) {
		app_say(app, STYLE_ERROR, "%s", a->problem);
		app->partial = true;
		app_remove_page(app, at);
	} else {
		live_pages_make_process_page(app, a);
	}
	free(a);
}

/* Lets go of the oldest snapshots beyond LIVE_KEEP, but not of the one looked at. */
static void live_pages_trim(struct app *app)
{
	int kept = 0;

	for (int i = 0; i < app->npages; i++)
		kept += app->pages[i]->kind == PAGE_PROCESS;
	for (int i = 0; i < app->npages && kept > LIVE_KEEP; i++) {
		struct process *process = app->pages[i]->process;
		if (app->pages[i]->kind != PAGE_PROCESS || i == app->current)
			continue;
		app_remove_page(app, i--);
		workspace_remove(&app->workspace, process);
		kept--;
	}
}

/* Diff pages, once everything that streams in is there: only then is it known who
 * pairs with whom. */
static void live_pages_compare(struct app *app)
{
	if (app->live->compared || !app->options->compare || app->options->listen ||
	    !app->workspace.count || feed_open_streams(app->feed))
		return;
	app->live->compared = true;
	workspace_pair(&app->workspace);
	for (uint32_t i = 0; i < app->workspace.count; i++) {
		if (!app->workspace.process[i]->old)
			continue;
		struct page *page =
			page_create(app, PAGE_DIFF, app->workspace.process[i]);
		if (page && app_insert_page(app, page, app->npages) == 0) {
			const struct page *seen = app_page(app);
			if (seen->depth == 0 && seen->tab == 0 && app->current == 0)
				app_show_comparison(app, app->npages - 1);
			continue;
		}
		page_destroy(page);
		app_say(app, STYLE_ERROR, "no comparison: out of memory");
	}
}

void live_pages_settle(struct app *app)
{
	if (!app->live)
		return;
	while (app->live->first) {
		struct arrival *a = app->live->first;
		app->live->first = a->next;
		if (!app->live->first)
			app->live->last = &app->live->first;
		live_pages_settle_one(app, a);
	}
	live_pages_compare(app);
	if (app->options->listen)
		live_pages_trim(app);
}

bool live_pages_pending(const struct app *app)
{
	return app->live && app->live->first;
}

void live_pages_end(struct app *app)
{
	feed_destroy(app->feed);
	app->feed = NULL;
	if (!app->live)
		return;
	while (app->live->first) {
		struct arrival *a = app->live->first;
		app->live->first = a->next;
		heap_destroy(a->heap);
		free(a);
	}
	history_free(&app->live->types);
	history_free(&app->live->paths);
	free(app->live);
	app->live = NULL;
}
