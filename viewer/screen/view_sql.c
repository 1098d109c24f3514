/* SPDX-License-Identifier: MIT */
/*
 * The answer of a query (`:sql`) as a screen, about the page's process (the snapshot
 * before it, if it is compared with one): rows in a grid; Enter opens the object whose
 * address is the row's first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/query/answer.h"
#include "viewer/screen/app.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"

enum { ROW_LIMIT = 200000 };

struct sql_view {
	struct view view;
	char *query;
	struct engine engine;
	struct answer answer; /* its columns are the grid's */
	struct table table;
	bool unasked;	/* the query has more statements than the one that was run */
	char note[500]; /* below the rows; "" = none */
	struct grid grid;
};

static struct sql_view *view_sql_self(struct view *view)
{
	return (struct sql_view *)view;
}

static size_t view_sql_rows(void *arg)
{
	return ((struct sql_view *)arg)->table.rows;
}

static void view_sql_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	const struct sql_view *v = arg;
	const struct cell *cell = table_cell(&v->table, row, column);

	ret->unknown = cell->unknown;
	ret->u64 = cell->u64;
	if (cell->unknown || v->table.columns[column].type != CELL_TEXT)
		return;
	ret->text = table_text(&v->table, cell);
	ret->size = strlen(ret->text);
	ret->style = STYLE_NORMAL;
}

static const struct grid_source view_sql_source = {
	.rows = view_sql_rows,
	.cell = view_sql_cell,
};

static void view_sql_forget(struct sql_view *v)
{
	grid_deinit(&v->grid);
	table_free(&v->table);
	answer_close(&v->answer);
	engine_close(&v->engine);
	v->note[0] = '\0';
	v->unasked = false;
}

/* What the grid doesn't show is said. */
static void view_sql_take_note(struct sql_view *v)
{
	const char *incomplete = engine_incomplete(&v->engine);
	struct text note = { 0 };
	char buf[HUMAN_SIZE];

	if (v->unasked)
		text_add(&note, "only the first statement was run; ");
	if (v->answer.more)
		text_printf(&note, "there are more than %s rows; ",
			    human_count(buf, v->table.rows));
	if (v->answer.ncolumns > GRID_MAX_COLUMNS)
		text_printf(&note, "%zu columns don't fit here; ",
			    v->answer.ncolumns - GRID_MAX_COLUMNS);
	if (incomplete[0])
		text_printf(&note, "INCOMPLETE: %s; ", incomplete);
	snprintf(v->note, sizeof(v->note), "%.*s",
		 text_len(&note) ? (int)text_len(&note) - 2 : 0, text_get(&note));
	text_free(&note);
}

/* 0 with the rows in the table; -1: engine.problem. */
static int view_sql_run(struct sql_view *v)
{
	struct app *app = v->view.page->app;
	const struct engine_options options = { .progress = &app->progress,
						.only = v->view.page->process };
	const char *tail;

	if (engine_open(&v->engine, &app->workspace, &options))
		return -1;
	const int found = answer_open(&v->answer, &v->engine, v->query, &tail);
	if (found < 0)
		return -1;
	if (!found) {
		snprintf(v->engine.problem, sizeof(v->engine.problem),
			 "there is no statement in the query");
		return -1;
	}
	v->unasked = engine_has_more(&v->engine, tail);
	return answer_next(&v->answer, ROW_LIMIT, &v->table);
}

static int view_sql_load(struct view *view)
{
	struct sql_view *v = view_sql_self(view);

	view_sql_forget(v);
	v->engine.problem[0] = '\0';
	const int failed = view_sql_run(v);
	size_t columns = v->table.columns ? v->answer.ncolumns : 0;
	if (columns > GRID_MAX_COLUMNS)
		columns = GRID_MAX_COLUMNS;
	grid_init(&v->grid, &view_sql_source, v, v->answer.columns, columns);
	v->grid.fixed_order = false;
	if (failed)
		v->grid.empty = v->engine.problem;
	else
		view_sql_take_note(v);
	view->grid = &v->grid;
	return grid_refresh(&v->grid, &view->page->app->progress);
}

static void view_sql_draw(struct view *view, struct surface *s, struct rect r)
{
	struct sql_view *v = view_sql_self(view);
	struct rect list = r;

	if (v->note[0] && r.height > 3) {
		list.height--;
		surface_puts(s, r.y + list.height, r.x + 1, r.width - 2, STYLE_DIM,
			     v->note);
	}
	grid_draw(&v->grid, s, list);
}

static struct row_ref view_sql_subject(struct view *view)
{
	struct sql_view *v = view_sql_self(view);
	const size_t row = v->table.rows && !view->error ? grid_row(&v->grid) : SIZE_MAX;

	return row == SIZE_MAX ? (struct row_ref){ HEAP_NONE, 0 } :
				 *table_ref(&v->table, row);
}

static void view_sql_enter(struct view *view)
{
	const struct row_ref ref = view_sql_subject(view);

	if (ref.node != HEAP_NONE)
		page_open_node(view->page, ref.node);
}

static void view_sql_destroy(struct view *view)
{
	view_sql_forget(view_sql_self(view));
	free(view_sql_self(view)->query);
	free(view);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_sql_load,
	.draw = view_sql_draw,
	.enter = view_sql_enter,
	.subject = view_sql_subject,
	.destroy = view_sql_destroy,
	.hints = hints,
};

struct view *view_sql_create(struct page *page, const void *query)
{
	struct sql_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	v->query = strdup(query);
	v->grid.sort = -1;
	snprintf(v->view.crumb, sizeof(v->view.crumb), "sql");
	if (v->query)
		return &v->view;
	free(v);
	return NULL;
}
