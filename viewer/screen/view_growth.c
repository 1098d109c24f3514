/* SPDX-License-Identifier: MIT */
/* Growth over the snapshots that came: a row per process and type (or path
 * signature), with a sparkline; what grew most first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/screen/app.h"
#include "viewer/screen/live_pages.h"

struct growth_view {
	struct view view;
	struct grid grid;
	bool paths;
	unsigned version; /* of the history when the grid was made */
	char pid[24];
};

enum {
	COL_NAME,
	COL_SPARK,
	COL_PID,
	COL_COUNT_NOW,
	COL_COUNT_DIFF,
	COL_BYTES_NOW,
	COL_BYTES_DIFF
};

static const struct column columns[] = {
	[COL_NAME] = { "name", "What", CELL_TEXT, false },
	[COL_SPARK] = { "bytes", "Bytes over time", CELL_TEXT, false },
	[COL_PID] = { "pid", "Process", CELL_TEXT, false },
	[COL_COUNT_NOW] = { "count", "Count", CELL_COUNT, false },
	[COL_COUNT_DIFF] = { "count_diff", "Count diff", CELL_COUNT_DIFF, false },
	[COL_BYTES_NOW] = { "size", "Size", CELL_BYTES, false },
	[COL_BYTES_DIFF] = { "size_diff", "Size diff", CELL_BYTES_DIFF, false },
};

static const struct history *view_growth_history_of(const struct growth_view *v)
{
	return live_history(v->view.page->app, v->paths);
}

static size_t view_growth_rows(void *arg)
{
	const struct history *h = view_growth_history_of(arg);
	return h ? h->count : 0;
}

/* What the newest snapshot changed is marked; what never changed is less important. */
static enum style view_growth_style(const struct series *s)
{
	const uint32_t n = s->samples;
	const double step = n > 1 ? s->bytes[n - 1] - s->bytes[n - 2] : 0;
	bool changed = false;

	for (uint32_t i = 1; i < n; i++)
		changed |= s->bytes[i] != s->bytes[0] || s->count[i] != s->count[0];
	return step > 0		  ? STYLE_MORE :
		step < 0	  ? STYLE_LESS :
		n > 1 && !changed ? STYLE_DIM :
				    STYLE_NORMAL;
}

static void view_growth_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	struct growth_view *v = arg;
	const struct series *s = view_growth_history_of(v)->series[row];
	uint32_t last = s->samples ? s->samples - 1 : 0;
	switch (column) {
	case COL_NAME:
		ret->text = s->name;
		ret->size = strlen(s->name);
		ret->style = view_growth_style(s);
		break;
	case COL_PID:
		snprintf(v->pid, sizeof(v->pid), "pid %llu", (unsigned long long)s->pid);
		ret->text = v->pid;
		ret->size = strlen(v->pid);
		ret->style = STYLE_DIM;
		break;
	case COL_SPARK:
		ret->spark = s->bytes;
		ret->nspark = s->samples;
		ret->text = "";
		ret->style = STYLE_BAR;
		break;
	case COL_COUNT_NOW:
		ret->u64 = (uint64_t)s->count[last];
		break;
	case COL_COUNT_DIFF:
		ret->i64 = (int64_t)series_growth(s, false);
		break;
	case COL_BYTES_NOW:
		ret->u64 = (uint64_t)s->bytes[last];
		break;
	case COL_BYTES_DIFF:
		ret->i64 = (int64_t)series_growth(s, true);
		break;
	default:
		break;
	}
}

static const struct grid_source source = { view_growth_rows, view_growth_cell, NULL };

static int view_growth_load(struct view *view)
{
	struct growth_view *v = (struct growth_view *)view;
	view->grid = &v->grid;
	v->grid.sort = COL_BYTES_DIFF;
	v->grid.descending = true;
	v->version = live_version(view->page->app);
	return grid_refresh(&v->grid, &view->page->app->progress);
}

static void view_growth_draw(struct view *view, struct surface *s, struct rect r)
{
	struct growth_view *v = (struct growth_view *)view;
	if (v->version != live_version(view->page->app)) {
		v->version = live_version(view->page->app);
		grid_refresh(&v->grid, NULL);
	}
	const struct history *h = view_growth_history_of(v);
	if (h && h->refused)
		surface_printf(s, r.y, r.x + 1, r.width - 2, STYLE_WARN,
			       "the first %d names only", HISTORY_MAX_SERIES);
	else
		surface_printf(s, r.y, r.x + 1, r.width - 2, STYLE_DIM,
			       "newest minus first snapshot of each process, by %s",
			       v->paths ? "the largest paths" : "type");
	struct rect list = { r.y + 1, r.x, r.height - 1, r.width };
	grid_draw(&v->grid, s, list);
}

/* The newest page of a process; -1 = it is gone. */
static int view_growth_newest_page(const struct app *app, uint64_t pid)
{
	for (int i = app->npages - 1; i >= 0; i--)
		if (app->pages[i]->kind == PAGE_PROCESS &&
		    process_pid(app->pages[i]->process) == pid)
			return i;
	return -1;
}

/* Opens what grew on the page of its process: the type's instances, or the comparison
 * by path with the snapshot before. */
static void view_growth_enter(struct view *view)
{
	struct growth_view *v = (struct growth_view *)view;
	struct app *app = view->page->app;
	size_t row = grid_row(&v->grid);
	const struct series *s =
		row == SIZE_MAX ? NULL : view_growth_history_of(v)->series[row];
	int at = s ? view_growth_newest_page(app, s->pid) : -1;
	if (at < 0) {
		app_say(app, STYLE_WARN, "no snapshot of that process is kept");
		return;
	}
	struct page *page = app->pages[at];
	uint32_t type = v->paths ? 0 : heap_type_find(page->process->heap, s->name);
	app->current = at;
	if (type)
		page_open_type(page, type);
	else if (v->paths && page->process->old)
		page_push(page,
			  view_report_of(page, report_find("growth"), 0, HEAP_NONE));
}

static void view_growth_destroy(struct view *view)
{
	grid_deinit(&((struct growth_view *)view)->grid);
	free(view);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_growth_load,
	.draw = view_growth_draw,
	.enter = view_growth_enter,
	.destroy = view_growth_destroy,
	.hints = hints,
};

struct view *view_growth_create(struct page *page, const void *paths)
{
	struct growth_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	v->paths = paths != NULL;
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	v->grid.empty = "no snapshot has arrived yet";
	return &v->view;
}
