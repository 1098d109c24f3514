/* SPDX-License-Identifier: MIT */
/*
 * page - a process, a comparison, a stream or the growth over time: what left
 * and right step through.  A page has tabs (the digits) and, above the current
 * tab, the views one drilled into; it keeps them all while one is elsewhere.
 */
#ifndef PYMEM_VIEWER_SCREEN_PAGE_H
#define PYMEM_VIEWER_SCREEN_PAGE_H

#include <stdbool.h>

#include "viewer/screen/view.h"
#include "viewer/workspace.h"

#define PAGE_MAX_TABS 12
#define PAGE_MAX_DEPTH 64

struct tab {
	uint32_t key;
	const char *title, *brief; /* brief: where there is little room */
	struct view *(*create)(struct page *, const void *arg);
	const void *arg;
};

enum page_kind { PAGE_PROCESS, PAGE_DIFF, PAGE_STREAM, PAGE_GROWTH };

struct page {
	struct app *app;
	enum page_kind kind;
	struct process *process;   /* PAGE_PROCESS, PAGE_DIFF; NULL otherwise */
	struct incoming *incoming; /* PAGE_STREAM, while it arrives: live/feed.h */
	const struct tab *tabs;
	int ntabs, tab;
	struct view *tab_view[PAGE_MAX_TABS];
	struct view *drilled[PAGE_MAX_DEPTH];
	int depth;	 /* of drilled */
	char title[128]; /* printable */
};

/* NULL when out of memory. process may be NULL where the kind has none. */
struct page *page_create(struct app *app, enum page_kind kind, struct process *process);
void page_destroy(struct page *page); /* NULL is fine */
/* Forgets all views (the page's contents changed) and takes the tabs of the kind. */
void page_reset(struct page *page, enum page_kind kind, struct process *process);

/* What is seen; made on demand; NULL when out of memory. */
struct view *page_view(struct page *page);
/* Goes one deeper; takes view over (NULL: says "out of memory"). */
void page_push(struct page *page, struct view *view);
/* Goes back one step; from a tab's own view to the first tab. False: already there. */
bool page_pop(struct page *page);
/* Chooses a tab by index; leaves what was drilled into. */
void page_tab(struct page *page, int index);
/* Opens an object or a synthetic node, or a type's instances. */
void page_open_node(struct page *page, uint32_t node);
void page_open_type(struct page *page, uint32_t type);

#endif
