/* SPDX-License-Identifier: MIT */
#include "viewer/screen/page.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/text/text.h"
#include "viewer/screen/app.h"

/* Frees view through its ops; NULL is fine. */
static void view_destroy(struct view *view)
{
	if (view)
		view->ops->destroy(view);
}

static const struct tab process_tabs[] = {
	{ '1', "Overview", "Overview", view_overview_create, NULL },
	{ '2', "Types", "Types", view_report_create, "types" },
	{ '3', "Suspects", "Suspects", view_report_create, "suspects" },
	{ '4', "Dominators", "Dominators", view_tree_create, NULL },
	{ '5', "Threads", "Threads", view_report_create, "threads" },
	{ '6', "Budget", "Budget", view_report_create, "budget" },
	{ '7', "Duplicates", "Dupes", view_report_create, "duplicates" },
	{ '8', "Native", "Native", view_report_create, "native" },
	{ '9', "More", "More", view_reports_create, NULL },
};

static const struct tab diff_tabs[] = {
	{ '1', "Growth", "Growth", view_report_create, "growth" },
	{ '2', "Types", "Types", view_report_create, "diff" },
};

static const struct tab stream_tabs[] = {
	{ '1', "Arriving", "Arriving", view_stream_create, NULL },
};

static const struct tab growth_tabs[] = {
	{ '1', "Growth by type", "By type", view_growth_create, NULL },
	{ '2', "Growth by path", "By path", view_growth_create, "paths" },
};

static const struct {
	const struct tab *tabs;
	int ntabs;
} kinds[] = {
	[PAGE_PROCESS] = { process_tabs, sizeof(process_tabs) / sizeof(*process_tabs) },
	[PAGE_DIFF] = { diff_tabs, sizeof(diff_tabs) / sizeof(*diff_tabs) },
	[PAGE_STREAM] = { stream_tabs, 1 },
	[PAGE_GROWTH] = { growth_tabs, 2 },
};

static const char *page_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void name_page(struct page *page)
{
	struct text t = { 0 };
	const struct process *p = page->process;

	if (p) {
		text_printf(&t, "pid %" PRIu64, process_pid(p));
		if (page->kind == PAGE_DIFF && p->old)
			text_printf(&t, " compared with pid %" PRIu64,
				    process_pid(p->old));
		text_add(&t, "  ");
		const char *file = p->file ? page_base_name(p->file) : "";
		text_escape(&t, file, strlen(file), 64, 0);
		if (!p->heap->complete)
			text_add(&t, " (truncated)");
	} else {
		const char *file = page->app->options->live_name;
		text_add(&t, page->kind == PAGE_GROWTH ? "growth" : "live");
		if (page->kind == PAGE_STREAM && file) {
			text_add(&t, "  ");
			text_escape(&t, page_base_name(file),
				    strlen(page_base_name(file)), 64, 0);
		}
	}
	snprintf(page->title, sizeof(page->title), "%s", text_get(&t));
	text_free(&t);
}

static void page_forget_views(struct page *page)
{
	while (page->depth > 0)
		view_destroy(page->drilled[--page->depth]);
	for (int i = 0; i < PAGE_MAX_TABS; i++) {
		view_destroy(page->tab_view[i]);
		page->tab_view[i] = NULL;
	}
}

void page_reset(struct page *page, enum page_kind kind, struct process *process)
{
	assert(kinds[kind].ntabs > 0 && kinds[kind].ntabs <= PAGE_MAX_TABS);
	page_forget_views(page);
	page->kind = kind;
	page->process = process;
	page->tabs = kinds[kind].tabs;
	page->ntabs = kinds[kind].ntabs;
	page->tab = 0;
	name_page(page);
}

struct page *page_create(struct app *app, enum page_kind kind, struct process *process)
{
	struct page *page = calloc(1, sizeof(*page));

	if (!page)
		return NULL;
	page->app = app;
	page_reset(page, kind, process);
	return page;
}

void page_destroy(struct page *page)
{
	if (!page)
		return;
	page_forget_views(page);
	free(page);
}

struct view *page_view(struct page *page)
{
	if (page->depth > 0)
		return page->drilled[page->depth - 1];
	assert(page->tab >= 0 && page->tab < page->ntabs);
	struct view **slot = &page->tab_view[page->tab];
	const struct tab *tab = &page->tabs[page->tab];
	if (!*slot) {
		*slot = tab->create(page, tab->arg);
		if (*slot)
			snprintf((*slot)->crumb, sizeof((*slot)->crumb), "%s",
				 tab->title);
	}
	return *slot;
}

void page_push(struct page *page, struct view *view)
{
	assert(page->depth >= 0 && page->depth <= PAGE_MAX_DEPTH);
	if (!view) {
		app_say(page->app, STYLE_ERROR, "out of memory");
		return;
	}
	if (page->depth == PAGE_MAX_DEPTH) { /* forget the oldest step */
		view_destroy(page->drilled[0]);
		memmove(page->drilled, page->drilled + 1,
			sizeof(page->drilled) - sizeof(page->drilled[0]));
		page->depth--;
	}
	page->drilled[page->depth++] = view;
}

bool page_pop(struct page *page)
{
	if (page->depth > 0) {
		view_destroy(page->drilled[--page->depth]);
		return true;
	}
	bool moved = page->tab != 0;
	page->tab = 0;
	return moved;
}

void page_tab(struct page *page, int index)
{
	assert(index >= 0 && index < page->ntabs);
	while (page->depth > 0)
		view_destroy(page->drilled[--page->depth]);
	page->tab = index;
}

void page_open_node(struct page *page, uint32_t node)
{
	if (node != HEAP_NONE && page->process)
		page_push(page, view_object_create(page, node));
}

void page_open_type(struct page *page, uint32_t type)
{
	if (type && page->process)
		page_push(page, view_instances_create(page, type));
}

void view_name(struct view *view, const char *text, const char *suffix)
{
	size_t n = strlen(text);

	if (n > 48) {
		for (n = 48; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
		snprintf(view->crumb, sizeof(view->crumb), "%.*s...%s", (int)n, text,
			 suffix);
	} else {
		snprintf(view->crumb, sizeof(view->crumb), "%s%s", text, suffix);
	}
}
