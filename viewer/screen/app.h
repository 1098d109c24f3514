/* SPDX-License-Identifier: MIT */
/*
 * app - the running viewer: pages, the frame around the view, keys, prompts,
 * progress.
 *
 * The frame: a title line with the breadcrumb; a line of tabs where there is
 * room; the view; a message or prompt line; a key bar.  One thread: long work
 * calls back through app->progress, which draws a box, looks for Esc and keeps
 * the streams flowing.
 *
 * The files of the app, its pages and views call each other in a circle (the one that
 * checks.circles allows): a key pressed in a view opens a page or changes the app, which
 * draws the views.  They know each other by tables (view.h, command.h).
 */
#ifndef PYMEM_VIEWER_SCREEN_APP_H
#define PYMEM_VIEWER_SCREEN_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "viewer/analysis/progress.h"
#include "viewer/screen/page.h"
#include "viewer/screen/prompt.h"
#include "viewer/screen/screen.h"
#include "viewer/screen/surface.h"
#include "viewer/screen/terminal.h"
#include "viewer/workspace.h"

enum { APP_MIN_WIDTH = 40, APP_MIN_HEIGHT = 8, APP_MAX_HITS = 48 };

struct feed; /* live/feed.h: where streams come from */
struct live; /* live_pages.c */

/* A piece of the frame that presses a key when clicked. */
struct hit {
	int y, x, width;
	uint32_t key;
};

struct app {
	const struct screen_options *options;
	struct workspace workspace;
	struct terminal *terminal;
	struct surface surface;
	struct page **pages;
	int npages, current;
	struct feed *feed; /* NULL: nothing live */
	struct live *live;
	struct prompt prompt;
	struct progress progress;   /* to give to long work */
	uint64_t progress_drawn_ns; /* when the box was drawn last */
	uint64_t progress_began_ns; /* 0 = no long work is going on */
	bool working;
	bool boxed;   /* a box was drawn since the frame was begun */
	bool boxless; /* none is to be drawn */
	char message[320];
	enum style message_style;
	struct hit hits[APP_MAX_HITS];
	int nhits;
	bool quit;
	int failures; /* of a script's assertions */
	bool partial; /* a snapshot was incomplete */
};

static inline struct page *app_page(const struct app *app)
{
	return app->npages ? app->pages[app->current] : NULL;
}

/* Shows one line at the bottom until the next key. Printable text. */
void app_say(struct app *app, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Inserts a page at index `at` (npages = at the end). -1: out of memory; page is the
 * caller's still. */
int app_insert_page(struct app *app, struct page *page, int at);
void app_remove_page(struct app *app, int at);
/* Work that may take long begins and is over: around calls that use app->progress. */
void app_work_begin(struct app *app);
void app_work_end(struct app *app);
/* What app->progress is made of: to be set once. */
struct progress app_progress(struct app *app);
/* Draws the frame and the view on the surface and shows it. */
void app_draw(struct app *app);
/* Lets streams flow for at most timeout_ms; true when something changed. */
bool app_pump(struct app *app, int timeout_ms);
/* One event of the user. */
void app_event(struct app *app, const struct event *event);
/* A `:command` (command.c). */
void app_command(struct app *app, const char *line);
/* Opens an address as typed by a person: 0x... or decimal. */
void app_open_address(struct app *app, const char *text);
/* Graph of what the cursor is on, to a file (graph/graph.h); kind NULL = what fits. */
void app_graph(struct app *app, const char *kind, const char *file);
/* The same as a command to be confirmed: into the current directory nothing is written
 * unasked. */
void app_graph_ask(struct app *app);

/* CLOCK_MONOTONIC, in ns. */
uint64_t app_now_ns(void);

/* Turns to a page that compares, and says what it is. */
void app_show_comparison(struct app *app, int page);

#endif
