/* SPDX-License-Identifier: MIT */
/* The loop: draw, wait for a key or a stream, act. */
#include "viewer/name/candidates.h"
#include "viewer/screen/app.h"

#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/text/print.h"
#include "viewer/live/feed.h"
#include "viewer/live/follow_text.h"
#include "viewer/screen/live_pages.h"
#include "viewer/screen/terminal_wait.h"

enum { FRAME_MS = 50 };

uint64_t app_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void app_say(struct app *app, enum style style, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(app->message, sizeof(app->message), format, args);
	va_end(args);
	app->message_style = style;
}

int app_insert_page(struct app *app, struct page *page, int at)
{
	struct page **pages =
		realloc(app->pages, (size_t)(app->npages + 1) * sizeof(*pages));

	assert(at >= 0 && at <= app->npages);
	if (!pages)
		return -1;
	app->pages = pages;
	memmove(pages + at + 1, pages + at, (size_t)(app->npages - at) * sizeof(*pages));
	pages[at] = page;
	if (app->npages++ && at <= app->current)
		app->current++;
	return 0;
}

void app_remove_page(struct app *app, int at)
{
	assert(at >= 0 && at < app->npages);
	page_destroy(app->pages[at]);
	app->npages--;
	memmove(app->pages + at, app->pages + at + 1,
		(size_t)(app->npages - at) * sizeof(*app->pages));
	if (app->current > at || (app->current == at && at == app->npages))
		app->current--;
	if (app->current < 0)
		app->current = 0;
}

static void app_load_view(struct app *app)
{
	struct page *page = app_page(app);
	struct view *view = page ? page_view(page) : NULL;

	if (!view || view->loaded)
		return;
	view->loaded = true;
	if (!view->ops->load)
		return;
	app_work_begin(app);
	view->error = view->ops->load(view);
	app_work_end(app);
	if (view->error == -ECANCELED)
		app_say(app, STYLE_WARN, "stopped");
}

bool app_pump(struct app *app, int timeout_ms)
{
	struct pollfd fds[FEED_MAX_POLL];

	if (!app->feed)
		return false;
	int n = feed_poll(app->feed, fds, FEED_MAX_POLL);
	int due = feed_timeout(app->feed);
	if (due >= 0 && (timeout_ms < 0 || due < timeout_ms))
		timeout_ms = due;
	int ready = poll(fds, (nfds_t)n, timeout_ms);
	return ready >= 0 && feed_serve(app->feed, fds, n);
}

/* Waits for a key or something from a stream, at most timeout ms (-1 = as long as it
 * takes); KEY_IS_NONE when it was no key. */
static struct event app_wait_event(struct app *app, int timeout)
{
	struct terminal *t = app->terminal;
	struct pollfd fds[FEED_MAX_POLL + 1];
	struct event e;

	fds[0] = (struct pollfd){ .fd = t->ops->fd(t), .events = POLLIN };
	int n = app->feed ? feed_poll(app->feed, fds + 1, FEED_MAX_POLL) : 0;
	int due = app->feed ? feed_timeout(app->feed) : -1;
	if (due >= 0 && (timeout < 0 || due < timeout))
		timeout = due;
	int ready = terminal_wait(t, fds, (nfds_t)n + 1, timeout, &e);
	if (e.key != KEY_IS_NONE)
		return e;
	if (ready >= 0 && app->feed)
		feed_serve(app->feed, fds + 1, n);
	if (ready > 0 && !t->scripted && (fds[0].revents & (POLLHUP | POLLERR)) &&
	    !(fds[0].revents & POLLIN))
		return (struct event){ .key = KEY_IS_EOF };
	return t->ops->read(t);
}

static void app_fit(struct app *app)
{
	int width, height;

	app->terminal->ops->size(app->terminal, &width, &height);
	if (width != app->surface.width || height != app->surface.height)
		surface_resize(&app->surface, width, height);
}

static void app_loop(struct app *app)
{
	uint64_t drawn = 0;

	while (!app->quit) {
		app_fit(app);
		/* First: what came may replace the view that is then loaded. */
		live_pages_settle(app);
		app_load_view(app);
		/* With streams flowing, 20 pictures a second are enough; but the last
		 * state is always drawn. */
		bool draw = !app->feed || app->terminal->scripted ||
			app_now_ns() - drawn > FRAME_MS * 1000000ull;
		if (draw) {
			app_draw(app);
			drawn = app_now_ns();
		}
		/* Loading lets streams flow: what ended meanwhile isn't settled yet. */
		int timeout = live_pages_pending(app) ? 0 : draw ? -1 : FRAME_MS;
		struct event e = app_wait_event(app, timeout);
		if (e.key != KEY_IS_NONE) {
			drawn = 0;
			app_event(app, &e);
		}
	}
}

void app_show_comparison(struct app *app, int page)
{
	app->current = page;
	app_say(app, STYLE_NORMAL,
		"what grew, compared with the older snapshot; left goes to the process");
}

/* The pages: one a process, then the comparisons, then the streams' own. */
static int app_make_pages(struct app *app)
{
	struct workspace *s = &app->workspace;

	for (uint32_t i = 0; i < s->count; i++) {
		struct page *page = page_create(app, PAGE_PROCESS, s->process[i]);
		if (!page || app_insert_page(app, page, app->npages) < 0)
			return -1;
		app->partial |= !s->process[i]->heap->complete;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		if (!s->process[i]->old)
			continue;
		struct page *page = page_create(app, PAGE_DIFF, s->process[i]);
		if (!page || app_insert_page(app, page, app->npages) < 0)
			return -1;
	}
	app->current = 0;
	for (int i = app->npages - 1; i >= 0; i--)
		if (app->pages[i]->kind == PAGE_DIFF)
			app_show_comparison(app, i);
	return 0;
}

static int app_open_file(struct app *app, const char *file, bool old, char *err,
			 size_t size)
{
	char why[400];
	int rc = workspace_open(&app->workspace, file, old, &app->progress, why,
				sizeof(why));

	if (rc < 0)
		snprintf(err, size, "%s: %s", file, why);
	return rc;
}

/* Opens the files, with the terminal already up so that progress shows. */
static int app_open_files(struct app *app, char *err, size_t size)
{
	const struct screen_options *o = app->options;
	int rc = 0;

	app_work_begin(app);
	for (size_t i = 0; i < o->nfiles && rc == 0; i++)
		rc = app_open_file(app, o->files[i], false, err, size);
	if (rc == 0 && o->compare)
		rc = app_open_file(app, o->compare, true, err, size);
	app_work_end(app);
	if (rc == 0 && o->compare)
		workspace_pair(&app->workspace);
	else if (rc == 0)
		workspace_pair_series(&app->workspace);
	if (rc == 0 && app_make_pages(app) < 0) {
		snprintf(err, size, "out of memory");
		rc = -1;
	}
	return rc;
}

static void app_set_locale(const struct screen_options *o)
{
	setlocale(LC_CTYPE, "");
	/* Widths come from the locale: a script asks for UTF-8 whatever the locale is. */
	if (o->charset == SCREEN_CHARSET_UTF8 ||
	    (o->script && o->charset == SCREEN_CHARSET_AUTO))
		if (!setlocale(LC_CTYPE, "C.UTF-8"))
			setlocale(LC_CTYPE, "en_US.UTF-8");
}

/* Whoever reads a snapshot has no more rights than its user. */
static int app_confine(const struct screen_options *o, char *err, size_t size)
{
	const int rc = o->confine ? o->confine(o->confine_arg) : 0;

	if (rc < 0)
		snprintf(err, size, "cannot give up the rights of root: %s",
			 strerror(-rc));
	return rc;
}

static int app_begin(struct app *app, char *err, size_t size)
{
	const struct screen_options *o = app->options;
	const char *why = NULL;

	app_set_locale(o);
	app->terminal = o->script ? terminal_script(o) : terminal_curses(o, &why);
	if (!app->terminal) {
		if (o->script)
			snprintf(err, size, "cannot read the script %s: %s", o->script,
				 strerror(errno));
		else
			snprintf(err, size, "%s", why);
		return -1;
	}
	if (app_confine(o, err, size) < 0)
		return -1;
	app->surface.color = app->terminal->color;
	app->surface.ascii = !app->terminal->utf8;
	app_fit(app);
	if (!app->surface.cells) {
		snprintf(err, size, "out of memory");
		return -1;
	}
	if (app_open_files(app, err, size) < 0)
		return -1;
	return live_pages_begin(app, err, size);
}

static void app_start_at(struct app *app)
{
	const char *type = app->options->type;
	struct page *page = app_page(app);

	if (!type || !page || !page->process)
		return;
	uint32_t id = heap_type_find(page->process->heap, type);
	if (id) {
		page_open_type(page, id);
		return;
	}
	struct text text = { 0 };
	candidates_text(&text, page->process->heap, type);
	app_say(app, STYLE_WARN, "%s", text_get(&text));
	text_free(&text);
}

static void app_end(struct app *app)
{
	live_pages_end(app);
	for (int i = 0; i < app->npages; i++)
		page_destroy(app->pages[i]);
	free(app->pages);
	workspace_free(&app->workspace);
	surface_deinit(&app->surface);
	if (app->terminal)
		app->terminal->ops->destroy(app->terminal);
}

int screen_run(const struct screen_options *options)
{
	bool live = options->listen || options->live_fd >= 0;
	char err[512] = "";

	if (live && !options->script && !screen_possible()) {
		if (app_confine(options, err, sizeof(err)) == 0)
			return follow_text(options->live_fd, options->listen,
					   options->save, stdout);
		print_format(stderr, "pymem-view: %s\n", err);
		return 1;
	}
	struct app app = { .options = options };
	workspace_init(&app.workspace);
	app.workspace.no_sidecar = options->no_sidecar;
	app.workspace.sidecar = options->sidecar;
	app.workspace.python_only = options->python_only;
	app.progress = app_progress(&app);
	int rc = app_begin(&app, err, sizeof(err));
	if (rc == 0) {
		app_start_at(&app);
		app_loop(&app);
	}
	app_end(&app);
	if (rc < 0) {
		print_format(stderr, "pymem-view: %s\n", err);
		return 1;
	}
	return app.failures ? 1 : app.partial ? 3 : 0;
}
