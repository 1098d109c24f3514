/* SPDX-License-Identifier: MIT */
/*
 * Growth over the snapshots that came: a row per process and type (or path
 * signature), with a sparkline; what grew most first.  + and - mark what the newest
 * snapshot changed; what never changed is folded into one line, which Space opens.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/screen/app.h"
#include "viewer/screen/live_pages.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"

struct growth_view {
	struct view view;
	struct grid grid;
	bool paths;
	unsigned version; /* of the history when the grid was made */
	bool all;	  /* also what never changed */
	uint32_t *row;	  /* series that are shown */
	size_t count, capacity;
	struct text name;
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
	[COL_SPARK] = { "bytes", "Trend", CELL_TEXT, false },
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
	return ((const struct growth_view *)arg)->count;
}

/* Of one snapshot nothing can be said yet. */
static bool view_growth_never_changed(const struct series *s)
{
	for (uint32_t i = 1; i < s->samples; i++)
		if (s->bytes[i] != s->bytes[0] || s->count[i] != s->count[0])
			return false;
	return s->samples > 1;
}

/* What the newest snapshot changed, with colour and without. */
static const char *view_growth_mark(const struct series *s, enum style *style)
{
	const uint32_t n = s->samples;
	const double step = n > 1 ? s->bytes[n - 1] - s->bytes[n - 2] : 0;

	*style = step > 0		     ? STYLE_MORE :
		step < 0		     ? STYLE_LESS :
		view_growth_never_changed(s) ? STYLE_DIM :
					       STYLE_NORMAL;
	return step > 0 ? "+ " : step < 0 ? "- " : "  ";
}

/* Which are shown: where nothing changed at all there is nothing to fold them for. */
static void view_growth_choose(struct growth_view *v, const struct history *h, size_t n)
{
	v->count = 0;
	for (size_t i = 0; i < n; i++)
		if (v->all || !view_growth_never_changed(h->series[i]))
			v->row[v->count++] = (uint32_t)i;
	if (v->count == 0)
		for (; v->count < n; v->count++)
			v->row[v->count] = (uint32_t)v->count;
}

/* Takes the series there are now. */
static int view_growth_refresh(struct growth_view *v, const struct progress *progress)
{
	const struct history *h = view_growth_history_of(v);
	const size_t n = h ? h->count : 0;

	v->count = 0; /* also where there is no memory for them */
	v->version = live_version(v->view.page->app);
	if (n > v->capacity) {
		uint32_t *row = realloc(v->row, n * 2 * sizeof(*row));
		if (!row)
			return -ENOMEM;
		v->row = row;
		v->capacity = n * 2;
	}
	view_growth_choose(v, h, n);
	return grid_refresh(&v->grid, progress);
}

static void view_growth_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	struct growth_view *v = arg;
	const struct series *s = view_growth_history_of(v)->series[v->row[row]];
	uint32_t last = s->samples ? s->samples - 1 : 0;

	switch (column) {
	case COL_NAME:
		text_clear(&v->name);
		text_add(&v->name, view_growth_mark(s, &ret->style));
		text_add(&v->name, s->name);
		ret->text = text_get(&v->name);
		ret->size = text_len(&v->name);
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

static const struct grid_source source = {
	.rows = view_growth_rows,
	.cell = view_growth_cell,
};

static int view_growth_load(struct view *view)
{
	struct growth_view *v = (struct growth_view *)view;

	view->grid = &v->grid;
	v->grid.sort = COL_BYTES_DIFF;
	v->grid.descending = true;
	return view_growth_refresh(v, &view->page->app->progress);
}

static void view_growth_draw(struct view *view, struct surface *s, struct rect r)
{
	struct growth_view *v = (struct growth_view *)view;
	char folded[HUMAN_SIZE];

	if (v->version != live_version(view->page->app))
		view_growth_refresh(v, NULL);
	const struct history *h = view_growth_history_of(v);
	if (h && h->refused)
		surface_printf(s, r.y, r.x + 1, r.width - 2, STYLE_WARN,
			       "the first %d names only", HISTORY_MAX_SERIES);
	else
		surface_printf(s, r.y, r.x + 1, r.width - 2, STYLE_DIM,
			       "newest minus first snapshot of each process, by %s",
			       v->paths ? "the largest paths" : "type");
	const int line = h && h->count > v->count && r.height > 3;
	if (line)
		surface_printf(s, r.y + r.height - 1, r.x + 1, r.width - 2, STYLE_DIM,
			       "%s that never changed (Space shows them)",
			       human_count(folded, h->count - v->count));
	struct rect list = { r.y + 1, r.x, r.height - 1 - line, r.width };
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
		row == SIZE_MAX ? NULL : view_growth_history_of(v)->series[v->row[row]];
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

static bool view_growth_event(struct view *view, const struct event *event)
{
	struct growth_view *v = (struct growth_view *)view;

	if (event->key != ' ')
		return false;
	v->all = !v->all;
	if (view_growth_refresh(v, NULL))
		app_say(view->page->app, STYLE_ERROR, "out of memory");
	return true;
}

static void view_growth_destroy(struct view *view)
{
	struct growth_view *v = (struct growth_view *)view;

	grid_deinit(&v->grid);
	text_free(&v->name);
	free(v->row);
	free(v);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ ' ', "Space", "all, or what changed" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_growth_load,
	.draw = view_growth_draw,
	.event = view_growth_event,
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
