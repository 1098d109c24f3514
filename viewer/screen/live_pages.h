/* SPDX-License-Identifier: MIT */
/*
 * live_pages - what arrives, as pages: a stream's page while it comes, a
 * process's page afterwards, and one page of growth over all of them.
 */
#ifndef PYMEM_VIEWER_LIVE_PAGES_H
#define PYMEM_VIEWER_LIVE_PAGES_H

#include <stddef.h>

struct app;

/* Starts following and listening as app->options say. 0, or -1 with a sentence in err. */
int live_pages_begin(struct app *app, char *err, size_t size);
/* Work put off while streams flowed: turns finished streams into pages, keeps
 * their number within limits. Called between events. */
void live_pages_settle(struct app *app);
void live_pages_end(struct app *app);

#endif
