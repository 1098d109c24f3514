/* SPDX-License-Identifier: MIT */
/*
 * view - one screen's worth of something: a const ops table and its state.
 *
 * Pages (page.h) own views, the application (app.h) draws the frame around the
 * current one and gives it the events nobody else wanted.  Embed struct view as
 * the first member.  Each screen is one file view_NAME.c with one constructor.
 */
#ifndef PYMEM_VIEWER_SCREEN_VIEW_H
#define PYMEM_VIEWER_SCREEN_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "viewer/screen/grid.h"
#include "viewer/screen/surface.h"

struct app;
struct page;
struct view;

/* One entry of the key bar; clicking it presses the key. */
struct hint {
	uint32_t key;
	const char *name, *text; /* "Enter", "open" */
};

struct view_ops {
	/*
	 * Makes the contents, once, before the first draw and again on R; may take
	 * long (app_progress).  0; -ECANCELED or another negative errno: the view is
	 * then drawn as failed, with a note how to try again.  NULL: nothing to make.
	 */
	int (*load)(struct view *);
	void (*draw)(struct view *, struct surface *, struct rect);
	/* True when the event was used. Motions and sorting of the grid are done before.
	 */
	bool (*event)(struct view *, const struct event *);
	/* Enter, or a click on the selected row. */
	void (*enter)(struct view *);
	/* What the cursor is on; NONE / 0 when nothing. May be NULL. */
	struct row_ref (*subject)(struct view *);
	void (*destroy)(struct view *);
	const struct hint *hints; /* the view's own, NULL-name terminated; may be NULL */
};

struct view {
	const struct view_ops *ops;
	struct page *page;
	struct grid *grid; /* its list, for search, filter, sorting; NULL = none */
	bool loaded;
	int error;	/* of load */
	char crumb[96]; /* in the breadcrumb; printable */
};

/* Sets the view's name in the breadcrumb: text cut at a character, then suffix. */
void view_name(struct view *view, const char *text, const char *suffix);

/*
 * Runs a report about the page's process into table (to be freed by the caller in any
 * case). When Esc stops the analysis, a report that says something without it is made
 * without. 0, -ENOMEM, -ECANCELED, -ENOENT (table->error says what is missing).
 */
int view_run_report(struct page *page, const struct report *report,
		    const struct report_params *params, struct table *table);

/* Constructors: NULL when out of memory. page outlives the view. */
struct view *view_overview_create(struct page *page, const void *unused);
struct view *view_report_create(struct page *page, const void *report_name);
struct view *view_reports_create(struct page *page, const void *unused);
struct view *view_tree_create(struct page *page, const void *unused);
struct view *view_stream_create(struct page *page, const void *unused);
struct view *view_growth_create(struct page *page, const void *paths);
struct view *view_sql_create(struct page *page, const void *query);
struct view *view_help_create(struct page *page, const void *unused);
struct view *view_instances_create(struct page *page, uint32_t type);
/* Those of them that are members of a suspect that is a group; point: what holds most. */
struct view *view_instances_of_group(struct page *page, uint32_t type, uint32_t point);
struct view *view_object_create(struct page *page, uint32_t node);
/* A report narrowed to one type (0 = none) or one node (HEAP_NONE = none). */
struct view *view_report_of(struct page *page, const struct report *report, uint32_t type,
			    uint32_t node);

#endif
