/* SPDX-License-Identifier: MIT */
/*
 * live_pages - what arrives, as pages: a stream's page while it comes, a
 * process's page afterwards, and one page of growth over all of them.
 *
 * Callbacks of the feed only note what happened (they may come in the middle of
 * other work); live_pages_settle, between events, does what follows from it.
 * The newest LIVE_KEEP snapshots are kept; older ones are let go, their numbers
 * stay in the history.
 */
#ifndef PYMEM_VIEWER_SCREEN_LIVE_PAGES_H
#define PYMEM_VIEWER_SCREEN_LIVE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "viewer/live/history.h"

struct app;

enum { LIVE_KEEP = 16 };

/* Starts following and listening as app->options say. 0, or -1 with a sentence in err. */
int live_pages_begin(struct app *app, char *err, size_t size);
/* Work put off while streams flowed: turns finished streams into pages, keeps
 * their number within limits. Called between events, and before the current view is
 * loaded: it may give the page another one. */
void live_pages_settle(struct app *app);
/* Whether live_pages_settle has something to do: the caller must not block then. */
bool live_pages_pending(const struct app *app);
void live_pages_end(struct app *app);

/* What came so far, by type or by path signature; NULL when nothing is live. */
const struct history *live_history(const struct app *app, bool paths);
/* Changes whenever the history does. */
unsigned live_version(const struct app *app);

#endif
