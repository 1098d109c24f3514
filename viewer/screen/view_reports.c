/* SPDX-License-Identifier: MIT */
/* The list of all reports, for those that have no tab of their own. */
#include <stdlib.h>
#include <string.h>

#include "viewer/screen/app.h"

struct reports_view {
	struct view view;
	struct grid grid;
	const struct report *shown[64];
	size_t count;
};

static const struct column columns[] = {
	{ "name", "Report", CELL_TEXT, false },
	{ "title", "What it shows", CELL_TEXT, false },
};

static size_t view_reports_rows(void *arg)
{
	return ((struct reports_view *)arg)->count;
}

static void view_reports_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	const struct report *r = ((struct reports_view *)arg)->shown[row];

	ret->text = column == 0 ? r->name : r->title;
	ret->size = strlen(ret->text);
	ret->style = column == 0 ? STYLE_LABEL : STYLE_NORMAL;
}

static const struct grid_source source = {
	.rows = view_reports_rows,
	.cell = view_reports_cell,
};

/* Those that can be run here: no object is chosen, and maybe nothing to compare with. */
static int view_reports_load(struct view *view)
{
	struct reports_view *v = (struct reports_view *)view;
	const struct process *process = view->page->process;

	v->count = 0;
	for (size_t i = 0; report_all[i] && v->count < 64; i++) {
		bool needs_old = report_all[i]->needs & NEEDS_OLD;
		if ((report_all[i]->needs & NEEDS_NODE) || (needs_old && !process->old))
			continue;
		v->shown[v->count++] = report_all[i];
	}
	view->grid = &v->grid;
	return grid_refresh(&v->grid, NULL);
}

static void view_reports_draw(struct view *view, struct surface *s, struct rect r)
{
	grid_draw(&((struct reports_view *)view)->grid, s, r);
}

static void view_reports_enter(struct view *view)
{
	struct reports_view *v = (struct reports_view *)view;
	size_t row = grid_row(&v->grid);

	if (row != SIZE_MAX)
		page_push(view->page,
			  view_report_of(view->page, v->shown[row], 0, HEAP_NONE));
}

static void view_reports_destroy(struct view *view)
{
	grid_deinit(&((struct reports_view *)view)->grid);
	free(view);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_reports_load,
	.draw = view_reports_draw,
	.enter = view_reports_enter,
	.destroy = view_reports_destroy,
	.hints = hints,
};

struct view *view_reports_create(struct page *page, const void *unused)
{
	(void)unused;
	struct reports_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	grid_init(&v->grid, &source, v, columns, 2);
	return &v->view;
}
