/* SPDX-License-Identifier: MIT */
/*
 * The first screen: what process this is, where its memory went, what is
 * suspicious, what is big; and what to press next.  Made of the reports
 * overview, budget, suspects and types.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/account_text.h"
#include "viewer/report/self_check.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"
#include "viewer/screen/app.h"
#include "viewer/screen/budget_bar.h"
#include "viewer/screen/glyph.h"

enum { SUSPECTS = 5, TYPES = 40 };

struct overview {
	struct view view;
	struct grid grid;
	struct table suspects, types, budget;
	bool made, stopped;
	struct text text;
};

enum { COL_WHAT, COL_RETAINED, COL_SIZE, COL_COUNT };

static const struct column columns[] = {
	[COL_WHAT] = { "what", "What is big", CELL_TEXT, false },
	[COL_RETAINED] = { "retained", "Retained", CELL_BYTES, false },
	[COL_SIZE] = { "size", "Size", CELL_BYTES, false },
	[COL_COUNT] = { "count", "Count", CELL_COUNT, false },
};

static struct overview *view_overview_self(struct view *view)
{
	return (struct overview *)view;
}

/* Rows: heading, suspects (or a line that there is none), heading, types. */
static size_t view_overview_suspect_rows(const struct overview *v)
{
	return v->suspects.rows ? v->suspects.rows : 1;
}

static size_t view_overview_rows(void *arg)
{
	const struct overview *v = arg;
	return 1 + view_overview_suspect_rows(v) + 1 + v->types.rows;
}

static const char *view_overview_heading(void *arg, size_t row)
{
	const struct overview *v = arg;
	if (row == 0)
		return "Suspects: what holds much more than others";
	if (row == 1 && !v->suspects.rows)
		return v->stopped ? "  not known: the analysis was stopped" :
				    "  none stands out";
	return row == 1 + view_overview_suspect_rows(v) ? "Largest types" : NULL;
}

/* The table a row comes from, and its row there. */
static const struct table *view_overview_table_of(const struct overview *v, size_t row,
						  size_t *row_ret)
{
	if (row <= view_overview_suspect_rows(v)) {
		*row_ret = row - 1;
		return &v->suspects;
	}
	*row_ret = row - 2 - view_overview_suspect_rows(v);
	return &v->types;
}

/* The sentence about a suspect, or the name of a type. */
static int view_overview_what_column(const struct table *t)
{
	int c = table_column(t, "text");
	return c < 0 ? 0 : c;
}

static void view_overview_cell(void *arg, size_t row, size_t column,
			       struct grid_cell *ret)
{
	static const char *const keys[] = { "", "retained", "size", "count" };
	struct overview *v = arg;
	size_t at;
	const struct table *t = view_overview_table_of(v, row, &at);
	int c = column == COL_WHAT ? view_overview_what_column(t) :
				     table_column(t, keys[column]);
	ret->unknown = c < 0;
	if (c < 0 || at >= t->rows)
		return;
	const struct cell *from = table_cell(t, at, (size_t)c);
	ret->unknown = from->unknown;
	ret->u64 = from->u64;
	if (column == COL_WHAT && !from->unknown) {
		ret->text = table_text(t, from);
		ret->size = strlen(ret->text);
		ret->style = t == &v->suspects ? STYLE_LABEL : STYLE_NORMAL;
		ret->indent = 2;
	}
}

static const struct grid_source source = { view_overview_rows, view_overview_cell,
					   view_overview_heading };

static void view_overview_forget(struct overview *v)
{
	if (!v->made)
		return;
	table_free(&v->suspects);
	table_free(&v->types);
	table_free(&v->budget);
	v->made = false;
}

static int view_overview_make(struct overview *v, const char *name, size_t limit,
			      struct table *table)
{
	struct report_params params = { .limit = limit };
	int err = view_run_report(v->view.page, report_find(name), &params, table);
	return err == -ENOENT ? 0 : err;
}

/* The types without what they retain: the analysis was just stopped. */
static int view_overview_make_plain_types(struct overview *v)
{
	struct report_context context = { .heap = v->view.page->process->heap };
	struct report_params params = { .limit = TYPES };
	return report_run(report_find("types"), &context, &params, &v->types);
}

static int view_overview_load(struct view *view)
{
	struct overview *v = view_overview_self(view);
	view_overview_forget(v);
	memset(&v->types, 0, sizeof(v->types));
	memset(&v->budget, 0, sizeof(v->budget));
	v->made = true;
	int err = view_overview_make(v, "suspects", SUSPECTS, &v->suspects);
	v->stopped = err == -ECANCELED;
	if (err && !v->stopped)
		return err;
	err = v->stopped ? view_overview_make_plain_types(v) :
			   view_overview_make(v, "types", TYPES, &v->types);
	if (!err)
		err = view_overview_make(v, "budget", 64, &v->budget);
	view->grid = &v->grid;
	v->grid.fixed_order = true;
	return err ? err : grid_refresh(&v->grid, NULL);
}

static void view_overview_head_line(struct overview *v)
{
	const struct process *p = v->view.page->process;
	const struct heap *heap = p->heap;
	char n[HUMAN_SIZE], b[HUMAN_SIZE];
	size_t size = 0;
	const char *python = heap_fact_text(heap, "python.version", &size);
	text_clear(&v->text);
	text_add(&v->text, "Python ");
	text_escape(&v->text, python ? python : "?", python ? strcspn(python, " ") : 1,
		    32, 0);
	text_printf(&v->text, ", pid %" PRIu64 ": %s objects, %s", process_pid(p),
		    human_count(n, heap->objects), human_bytes_u64(b, heap->size));
	text_add(&v->text, ". Self-check: ");
	self_check_text(&v->text, heap);
}

/* Where the resident memory is; nothing when that isn't known. */
static void view_overview_account_line(struct overview *v)
{
	const struct heap *heap = v->view.page->process->heap;
	struct account account;

	text_clear(&v->text);
	if (!account_make(heap, &account))
		account_text(&v->text, heap, &account);
}

static int view_overview_draw_head(struct overview *v, struct surface *s, struct rect r)
{
	const struct process *p = v->view.page->process;
	int y = r.y;
	view_overview_account_line(v);
	if (text_len(&v->text))
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_LABEL,
			     text_get(&v->text));
	view_overview_head_line(v);
	surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_STRONG, text_get(&v->text));
	if (!p->heap->complete)
		surface_printf(s, y++, r.x + 1, r.width - 2, STYLE_WARN, "incomplete: %s",
			       p->problem[0] ? p->problem : "the snapshot was cut short");
	if (r.height >= 12) {
		struct rect bar = { y, r.x + 1, r.height >= 16 ? 3 : 2, r.width - 2 };
		y += budget_bar_draw(s, bar, &v->budget);
	}
	return y - r.y;
}

static void view_overview_draw(struct view *view, struct surface *s, struct rect r)
{
	static const char next[] =
		"Next: Enter opens the selected line, 3 explains the suspects, "
		"2 lists all types, 4 shows who keeps what alive.";
	struct overview *v = view_overview_self(view);
	int used = view_overview_draw_head(v, s, r);
	int tail = r.height - used > 10 ? 2 : 0;
	struct rect list = { r.y + used, r.x, r.height - used - tail, r.width };
	grid_draw(&v->grid, s, list);
	if (!tail)
		return;
	size_t row = grid_row(&v->grid), at = 0;
	const struct table *t =
		row == SIZE_MAX ? NULL : view_overview_table_of(v, row, &at);
	struct rect below = { r.y + r.height - tail, r.x + 1, tail, r.width - 2 };
	const char *text = next;
	enum style style = STYLE_DIM;
	if (t == &v->suspects && at < t->rows) {
		const char *path = table_text(
			t, table_cell(t, at, (size_t)view_overview_what_column(t)));
		if (glyph_columns(path, strlen(path), s->ascii, 1000) >
		    v->grid.width[0] - 2) {
			text = path; /* in full, where the column cuts it off */
			style = STYLE_LABEL;
		}
	}
	surface_wrap(s, below, style, text, strlen(text));
}

static struct row_ref view_overview_subject(struct view *view)
{
	struct overview *v = view_overview_self(view);
	size_t row = v->view.loaded ? grid_row(&v->grid) : SIZE_MAX, at;
	if (row == SIZE_MAX)
		return (struct row_ref){ HEAP_NONE, 0 };
	const struct table *t = view_overview_table_of(v, row, &at);
	return at < t->rows ? *table_ref(t, at) : (struct row_ref){ HEAP_NONE, 0 };
}

static void view_overview_enter(struct view *view)
{
	struct overview *v = view_overview_self(view);
	struct row_ref ref = view_overview_subject(view);
	size_t row = grid_row(&v->grid), at = 0;
	const struct table *t =
		row == SIZE_MAX ? NULL : view_overview_table_of(v, row, &at);
	if (t == &v->types && ref.type)
		page_open_type(view->page, ref.type);
	else if (ref.node != HEAP_NONE)
		page_open_node(view->page, ref.node);
	else if (ref.type)
		page_open_type(view->page, ref.type);
}

static void view_overview_destroy(struct view *view)
{
	struct overview *v = view_overview_self(view);
	view_overview_forget(v);
	grid_deinit(&v->grid);
	text_free(&v->text);
	free(v);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ '2', "2", "types" },
	{ '3', "3", "suspects" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_overview_load,
	.draw = view_overview_draw,
	.enter = view_overview_enter,
	.subject = view_overview_subject,
	.destroy = view_overview_destroy,
	.hints = hints,
};

struct view *view_overview_create(struct page *page, const void *unused)
{
	(void)unused;
	struct overview *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	grid_init(&v->grid, &source, v, columns, sizeof(columns) / sizeof(*columns));
	v->grid.bar = COL_RETAINED;
	return &v->view;
}
