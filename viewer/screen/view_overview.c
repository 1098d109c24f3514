/* SPDX-License-Identifier: MIT */
/*
 * The first screen: what process this is, where its memory went, what is
 * suspicious, what is known to waste, what is big; and what to press next.  Made of the
 * reports budget, suspects, inspections and types.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/account_text.h"
#include "viewer/report/doubts.h"
#include "viewer/report/self_check.h"
#include "viewer/text/human.h"
#include "viewer/together.h"
#include "viewer/text/text.h"
#include "viewer/screen/app.h"
#include "viewer/screen/budget_bar.h"
#include "viewer/screen/glyph.h"

enum { SUSPECTS = 5, FINDINGS = 5, TYPES = 40 };

/* The lists, one below the other, each with a heading. */
enum view_overview_part { PART_SUSPECTS, PART_FINDINGS, PART_TYPES, PARTS };

struct overview {
	struct view view;
	struct grid grid;
	struct table parts[PARTS], budget;
	bool made, stopped;
	struct text text, cell;
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

/* Its rows below the heading: a list that must not be silent has a line for nothing. */
static size_t view_overview_part_rows(const struct overview *v, int part)
{
	return v->parts[part].rows ? v->parts[part].rows : part == PART_SUSPECTS;
}

static bool view_overview_shown(const struct overview *v, int part)
{
	return part != PART_FINDINGS || v->parts[part].rows;
}

static size_t view_overview_rows(void *arg)
{
	const struct overview *v = arg;
	size_t rows = 0;

	for (int part = 0; part < PARTS; part++)
		if (view_overview_shown(v, part))
			rows += 1 + view_overview_part_rows(v, part);
	return rows;
}

/* The list a row is in; *at becomes its row there, SIZE_MAX for the heading. */
static int view_overview_part_of(const struct overview *v, size_t row, size_t *at)
{
	for (int part = 0; part < PARTS; part++) {
		if (!view_overview_shown(v, part))
			continue;
		const size_t rows = 1 + view_overview_part_rows(v, part);
		*at = row - 1;
		if (row < rows)
			return part;
		row -= rows;
	}
	*at = SIZE_MAX;
	return PART_TYPES;
}

static const char *view_overview_heading(void *arg, size_t row)
{
	static const char *const titles[] = {
		[PART_SUSPECTS] = "Suspects: what holds much more than others",
		[PART_FINDINGS] = "Known ways of wasting memory",
		[PART_TYPES] = "Largest types",
	};
	const struct overview *v = arg;
	size_t at;
	const int part = view_overview_part_of(v, row, &at);

	if (at == SIZE_MAX)
		return titles[part];
	if (at < v->parts[part].rows)
		return NULL;
	return v->stopped ? "  not known: the analysis was stopped" :
			    "  none stands out: what every Python process has";
}

/* The table a row comes from, and its row there: none for a heading. */
static const struct table *view_overview_table_of(const struct overview *v, size_t row,
						  size_t *at)
{
	return &v->parts[view_overview_part_of(v, row, at)];
}

/* The sentence about a suspect, what was found, or the name of a type. */
static int view_overview_what_column(const struct table *t)
{
	int c = table_column(t, "text");

	return c < 0 ? 0 : c;
}

/* "exceptions kept with ...: app.FAILURES[3]" */
static const char *view_overview_finding(struct overview *v, const struct table *t,
					 size_t at)
{
	static const char *const keys[] = { "what", "worst" };

	text_clear(&v->cell);
	for (size_t i = 0; i < 2; i++) {
		const int c = table_column(t, keys[i]);

		text_add(&v->cell, i ? ": " : "");
		text_add(&v->cell, table_text(t, table_cell(t, at, (size_t)c)));
	}
	return text_get(&v->cell);
}

static const char *view_overview_what(struct overview *v, const struct table *t,
				      size_t at)
{
	const size_t column = (size_t)view_overview_what_column(t);

	return t == &v->parts[PART_FINDINGS] ? view_overview_finding(v, t, at) :
					       table_text(t, table_cell(t, at, column));
}

/* What the list has for a column of the screen; -1: nothing. */
static int view_overview_column(const struct overview *v, const struct table *t,
				size_t column)
{
	static const char *const keys[] = { "", "retained", "size", "count" };
	const bool finding = t == &v->parts[PART_FINDINGS];

	return column == COL_WHAT ?
		view_overview_what_column(t) :
		table_column(t,
			     finding && column == COL_RETAINED ? "bytes" : keys[column]);
}

static void view_overview_cell(void *arg, size_t row, size_t column,
			       struct grid_cell *ret)
{
	struct overview *v = arg;
	size_t at;
	const struct table *t = view_overview_table_of(v, row, &at);
	int c = view_overview_column(v, t, column);

	ret->unknown = c < 0;
	if (c < 0 || at >= t->rows)
		return;
	const struct cell *from = table_cell(t, at, (size_t)c);
	ret->unknown = from->unknown;
	ret->u64 = from->u64;
	if (column == COL_WHAT && !from->unknown) {
		ret->text = view_overview_what(v, t, at);
		ret->size = strlen(ret->text);
		ret->style = t == &v->parts[PART_TYPES] ? STYLE_NORMAL : STYLE_LABEL;
		ret->keep_ends = true;
		ret->indent = 2;
	}
}

static const struct grid_source source = {
	.rows = view_overview_rows,
	.cell = view_overview_cell,
	.heading = view_overview_heading,
};

static void view_overview_forget(struct overview *v)
{
	if (!v->made)
		return;
	for (int part = 0; part < PARTS; part++)
		table_free(&v->parts[part]);
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

	return report_run(report_find("types"), &context, &params, &v->parts[PART_TYPES]);
}

static int view_overview_load(struct view *view)
{
	struct overview *v = view_overview_self(view);

	view_overview_forget(v);
	memset(v->parts, 0, sizeof(v->parts));
	memset(&v->budget, 0, sizeof(v->budget));
	v->made = true;
	int err = view_overview_make(v, "suspects", SUSPECTS, &v->parts[PART_SUSPECTS]);
	if (!err)
		err = view_overview_make(v, "inspections", FINDINGS,
					 &v->parts[PART_FINDINGS]);
	v->stopped = err == -ECANCELED;
	if (err && !v->stopped)
		return err;
	err = v->stopped ? view_overview_make_plain_types(v) :
			   view_overview_make(v, "types", TYPES, &v->parts[PART_TYPES]);
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

/* Of several processes what this one has alone, and what all have. */
static void view_overview_together_line(struct overview *v)
{
	const struct workspace *w = &v->view.page->app->workspace;

	text_clear(&v->text);
	if (!together_total(w))
		return;
	together_text(&v->text, v->view.page->process);
	text_add(&v->text, text_len(&v->text) ? "; " : "");
	together_title(&v->text, w);
}

/* What the snapshot isn't sure of: two lines of the screen at most for each. */
static int view_overview_draw_doubts(struct overview *v, struct surface *s, struct rect r)
{
	const struct process *p = v->view.page->process;
	int y = r.y;

	if (p->problem[0])
		surface_printf(s, y++, r.x, r.width, STYLE_WARN, "%s%s",
			       p->heap->complete ? "" : "incomplete: ", p->problem);
	for (size_t at = 0;
	     y + 2 < r.y + r.height && doubts_next(&v->text, p->heap, &at);)
		y += surface_wrap(s, (struct rect){ y, r.x, 2, r.width }, STYLE_WARN,
				  text_get(&v->text), text_len(&v->text));
	return y - r.y;
}

static int view_overview_draw_head(struct overview *v, struct surface *s, struct rect r)
{
	int y = r.y;

	view_overview_account_line(v);
	if (text_len(&v->text))
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_LABEL,
			     text_get(&v->text));
	view_overview_together_line(v);
	if (text_len(&v->text) && r.height >= 12)
		surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_LABEL,
			     text_get(&v->text));
	view_overview_head_line(v);
	surface_puts(s, y++, r.x + 1, r.width - 2, STYLE_STRONG, text_get(&v->text));
	y += view_overview_draw_doubts(
		v, s, (struct rect){ y, r.x + 1, r.height / 2, r.width - 2 });
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
	if (t && t != &v->parts[PART_TYPES] && at < t->rows) {
		const char *path = view_overview_what(v, t, at);
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

	if (t == &v->parts[PART_TYPES] && ref.type)
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
	text_free(&v->cell);
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
