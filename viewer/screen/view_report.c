/* SPDX-License-Identifier: MIT */
/*
 * Any report as a screen: its rows in a grid, what the selected row says in full
 * when its column was too narrow, and the report's notes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/text/text.h"
#include "viewer/screen/app.h"
#include "viewer/screen/glyph.h"
#include "viewer/screen/pictures.h"

enum { ROW_LIMIT = 200000, DETAIL_LINES = 3, EXPLANATION_LINES = 8 };

struct report_view {
	struct view view;
	const struct report *report;
	uint32_t type, node; /* narrowed to; 0 / HEAP_NONE */
	struct table table;
	bool made;		  /* table holds something */
	struct pictures pictures; /* of the types, where pymem-load drew some */
	struct column columns[GRID_MAX_COLUMNS]; /* the table's, and two for these */
	struct grid grid;
};

static struct report_view *view_report_self(struct view *view)
{
	return (struct report_view *)view;
}

static size_t view_report_rows(void *arg)
{
	return ((struct report_view *)arg)->table.rows;
}

static void view_report_picture_cell(const struct report_view *v, size_t row, bool back,
				     struct grid_cell *ret)
{
	const struct process *p = v->view.page->process;
	const char *type = heap_type_name(p->heap, table_ref(&v->table, row)->type);

	ret->text = pictures_of(&v->pictures, type, process_pid(p), back);
	ret->unknown = !ret->text;
	ret->size = ret->text ? strlen(ret->text) : 0;
	ret->style = STYLE_LABEL;
}

/* What something is called, or is reached by: its two ends tell most. */
static bool view_report_is_name(const char *key)
{
	static const char *const names[] = { "name", "path",   "text",	"worst",
					     "task", "holder", "stack", "type" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(key, names[i]))
			return true;
	return false;
}

static void view_report_cell(void *arg, size_t row, size_t column, struct grid_cell *ret)
{
	const struct report_view *v = arg;

	if (column >= v->table.ncolumns) {
		view_report_picture_cell(v, row, column == v->table.ncolumns + 1, ret);
		return;
	}
	const struct cell *cell = table_cell(&v->table, row, column);
	ret->unknown = cell->unknown;
	ret->u64 = cell->u64;
	if (cell->unknown || v->table.columns[column].type != CELL_TEXT)
		return;
	ret->text = table_text(&v->table, cell);
	ret->size = strlen(ret->text);
	ret->style = STYLE_NORMAL;
	ret->keep_ends = view_report_is_name(v->table.columns[column].key);
}

static const struct grid_source report_source = {
	.rows = view_report_rows,
	.cell = view_report_cell,
};

/* The column worth a bar: a share, else the first bytes; -1 = none. */
static int view_report_bar_column(const struct table *t)
{
	static const char *const wanted[] = { "share", "size_diff", "retained", "size" };

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		int c = table_column(t, wanted[i]);
		if (c >= 0 && !t->columns[c].hidden)
			return c;
	}
	for (size_t c = 0; c < t->ncolumns; c++)
		if (t->columns[c].type == CELL_BYTES && !t->columns[c].hidden)
			return (int)c;
	return -1;
}

static double view_report_largest(const struct table *t, int column)
{
	double max = 0;

	for (size_t row = 0; row < t->rows; row++) {
		const struct cell *cell = table_cell(t, row, (size_t)column);
		enum cell_type type = t->columns[column].type;
		double value = cell->unknown ? 0 :
			type == CELL_RATIO   ? cell->ratio :
			type == CELL_BYTES_DIFF || type == CELL_COUNT_DIFF ?
					     (double)cell->i64 :
					     (double)cell->u64;
		value = value < 0 ? -value : value;
		max = value > max ? value : max;
	}
	return max;
}

/* The table's columns; for the types also those of the pictures, if there are any. */
static size_t view_report_make_columns(struct report_view *v)
{
	const struct process *p = v->view.page->process;
	size_t n = v->table.ncolumns;

	if (n > GRID_MAX_COLUMNS - 2)
		n = GRID_MAX_COLUMNS - 2;
	memcpy(v->columns, v->table.columns, n * sizeof(*v->columns));
	if (strcmp(v->report->name, "types") != 0)
		return n;
	pictures_find(&v->pictures, p->file, process_pid(p));
	if (!v->pictures.count || n < v->table.ncolumns)
		return n;
	v->columns[n] = (struct column){ "references", "References", CELL_TEXT, false };
	v->columns[n + 1] =
		(struct column){ "backrefs", "Backwards References", CELL_TEXT, false };
	return n + 2;
}

static void view_report_forget(struct report_view *v)
{
	pictures_free(&v->pictures);
	if (v->made)
		table_free(&v->table);
	v->made = false;
	grid_deinit(&v->grid);
}

int view_run_report(struct page *page, const struct report *report,
		    const struct report_params *params, struct table *table)
{
	struct app *app = page->app;
	struct report_context context;

	table_init(table, report);
	int err = workspace_context(&app->workspace, page->process, report,
				    &app->progress, &context);
	bool without = err == -ECANCELED && strcmp(report->name, "types") == 0;
	if (err && !without)
		return err;
	return report_run(report, &context, params, table);
}

static double view_report_number(const struct table *t, size_t row, size_t column)
{
	const struct cell *cell = table_cell(t, row, column);
	const enum cell_type type = t->columns[column].type;

	return cell->unknown				? -1e300 :
		type == CELL_RATIO || type == CELL_REAL ? cell->ratio :
		type == CELL_BYTES_DIFF || type == CELL_COUNT_DIFF ||
			type == CELL_INTEGER ?
							  (double)cell->i64 :
							  (double)cell->u64;
}

/* Whether the rows are in descending order of that column, and not all alike. */
static bool view_report_descends(const struct table *t, size_t column)
{
	if (t->columns[column].type == CELL_TEXT || t->columns[column].hidden ||
	    t->columns[column].type == CELL_ADDRESS || t->rows < 2)
		return false;
	for (size_t row = 1; row < t->rows; row++)
		if (view_report_number(t, row, column) >
		    view_report_number(t, row - 1, column))
			return false;
	return view_report_number(t, 0, column) >
		view_report_number(t, t->rows - 1, column);
}

/* The column that the report's own order is by: that of the bars where it may be; -1:
 * none. */
static int view_report_sorted_by(const struct report_view *v)
{
	if (v->grid.bar >= 0 && view_report_descends(&v->table, (size_t)v->grid.bar))
		return v->grid.bar;
	for (size_t c = 0; c < v->table.ncolumns && c < GRID_MAX_COLUMNS; c++)
		if (view_report_descends(&v->table, c))
			return (int)c;
	return -1;
}

static int view_report_load(struct view *view)
{
	struct report_view *v = view_report_self(view);
	struct app *app = view->page->app;
	struct process *process = view->page->process;
	int sort = v->grid.sort;
	char filter[sizeof(v->grid.filter)];

	memcpy(filter, v->grid.filter, sizeof(filter));
	bool again = v->made, descending = v->grid.descending;
	view_report_forget(v);
	struct report_params params = { .limit = ROW_LIMIT };
	if (v->type)
		params.type = heap_type_name(process->heap, v->type);
	if (v->node != HEAP_NONE)
		params.object = heap_address(process->heap, v->node);
	int err = view_run_report(view->page, v->report, &params, &v->table);
	v->made = true;
	if (err && err != -ENOENT)
		return err;
	grid_init(&v->grid, &report_source, v, v->columns, view_report_make_columns(v));
	if (v->table.error)
		v->grid.empty = v->table.error;
	v->grid.bar = view_report_bar_column(&v->table);
	if (v->grid.bar >= 0)
		v->grid.bar_total = v->table.columns[v->grid.bar].type == CELL_RATIO ?
			1 :
			view_report_largest(&v->table, v->grid.bar);
	v->grid.sort = view_report_sorted_by(v);
	v->grid.descending = true;
	if (again) {
		v->grid.sort = sort;
		v->grid.descending = descending;
		memcpy(v->grid.filter, filter, sizeof(filter));
	}
	view->grid = &v->grid;
	return grid_refresh(&v->grid, &app->progress);
}

/* The selected row's longest text that its column cuts off; NULL when all fit. */
static const char *view_report_cut_text(struct report_view *v, const struct surface *s)
{
	size_t row = grid_row(&v->grid);
	const char *longest = NULL;
	int most = 0;

	for (size_t c = 0; row != SIZE_MAX && c < v->table.ncolumns; c++) {
		const struct cell *cell = table_cell(&v->table, row, c);
		const struct column *column = &v->table.columns[c];
		if (column->type != CELL_TEXT || cell->unknown ||
		    (column->hidden && strcmp(column->key, "text") != 0))
			continue;
		const char *text = table_text(&v->table, cell);
		int n = glyph_columns(text, strlen(text), s->ascii, 1000);
		if (n > v->grid.width[c] && n > most) {
			most = n;
			longest = text;
		}
	}
	return longest;
}

/* ---- what a suspect is explained with ---- */

static const char *view_report_text(const struct report_view *v, size_t row,
				    const char *key)
{
	const int c = table_column(&v->table, key);
	const struct cell *cell = c < 0 ? NULL : table_cell(&v->table, row, (size_t)c);

	return cell && !cell->unknown ? table_text(&v->table, cell) : "";
}

/* Whether the rows have an explanation: a paragraph of the selected one is shown. */
static bool view_report_explains(const struct report_view *v)
{
	return v->made && table_column(&v->table, "cause") >= 0;
}

static void view_report_draw_explanation(struct report_view *v, struct surface *s,
					 struct rect r)
{
	static const struct {
		const char *key, *before;
	} parts[] = { { "text", "" },
		      { "reached", "Reached from " },
		      { "cause", "Usual cause: " },
		      { "remedy", "What to do: " } };
	const size_t row = grid_row(&v->grid);
	struct text line = { 0 };
	int used = 0;

	for (size_t i = 0; i < 4 && row != SIZE_MAX && used < r.height; i++) {
		const char *said = view_report_text(v, row, parts[i].key);
		struct rect rest = { r.y + used, r.x, r.height - used, r.width };

		text_clear(&line);
		text_add(&line, parts[i].before);
		text_add(&line, said);
		if (*said)
			used += surface_wrap(s, rest, i ? STYLE_NORMAL : STYLE_LABEL,
					     text_get(&line), text_len(&line));
	}
	text_free(&line);
}

static size_t view_report_note_count(const struct report_view *v)
{
	return VEC_COUNT(v->table.notes, size_t);
}

/* Lines the notes take, at most `most`. */
static int view_report_draw_notes(struct report_view *v, struct surface *s, struct rect r,
				  int most)
{
	int used = 0;

	for (size_t i = 0; i < view_report_note_count(v) && used < most; i++) {
		const char *note =
			VEC(v->table.text, const char) + VEC(v->table.notes, size_t)[i];
		struct rect line = { r.y + used, r.x + 1, most - used, r.width - 2 };
		used += surface_wrap(s, line, STYLE_DIM, note, strlen(note));
	}
	return used;
}

static int view_report_notes_height(struct report_view *v, struct surface *s, int width)
{
	int lines = 0;

	for (size_t i = 0; i < view_report_note_count(v); i++) {
		const char *note =
			VEC(v->table.text, const char) + VEC(v->table.notes, size_t)[i];
		lines += glyph_columns(note, strlen(note), s->ascii, 4000) / (width - 2) +
			1;
	}
	return lines;
}

static void view_report_draw(struct view *view, struct surface *s, struct rect r)
{
	struct report_view *v = view_report_self(view);
	const char *tab = view->page->tabs[view->page->tab].title;

	if (view->page->depth == 0 && r.height > 8 &&
	    strcmp(tab, v->report->title) != 0) {
		surface_puts(s, r.y, r.x + 1, r.width - 2, STYLE_DIM, v->report->title);
		r.y++;
		r.height--;
	}
	int notes = r.height > 8 ? view_report_notes_height(v, s, r.width) : 0;
	notes = notes > r.height / 3 ? r.height / 3 : notes;
	const bool explains = view_report_explains(v) && r.height - notes > 16;
	int detail = explains	      ? EXPLANATION_LINES :
		r.height - notes > 10 ? DETAIL_LINES :
					0;
	struct rect list = r;
	list.height -= notes + detail;
	grid_draw(&v->grid, s, list);
	const char *cut = detail && !explains ? view_report_cut_text(v, s) : NULL;
	struct rect below = { r.y + list.height, r.x + 1, detail, r.width - 2 };
	if (explains)
		view_report_draw_explanation(v, s, below);
	if (cut) {
		surface_wrap(s, below, STYLE_LABEL, cut, strlen(cut));
	}
	struct rect bottom = { r.y + list.height + detail, r.x, notes, r.width };
	if (notes)
		view_report_draw_notes(v, s, bottom, notes);
}

static struct row_ref view_report_subject(struct view *view)
{
	struct report_view *v = view_report_self(view);
	size_t row = v->made && !view->error ? grid_row(&v->grid) : SIZE_MAX;

	if (row == SIZE_MAX)
		return (struct row_ref){ HEAP_NONE, 0 };
	return *table_ref(&v->table, row);
}

/* Whether the selected row stands for several (column "alike"): the report has a row for
 * each of them when asked for one (--object). */
static bool view_report_is_several(const struct report_view *v)
{
	const size_t row = v->made ? grid_row(&v->grid) : SIZE_MAX;
	const int c = row == SIZE_MAX ? -1 : table_column(&v->table, "alike");

	return v->node == HEAP_NONE && c >= 0 &&
		table_cell(&v->table, row, (size_t)c)->u64 > 1;
}

static void view_report_enter(struct view *view)
{
	struct report_view *v = view_report_self(view);
	struct row_ref ref = view_report_subject(view);
	const char *kind = view_report_explains(v) && grid_row(&v->grid) != SIZE_MAX ?
		view_report_text(v, grid_row(&v->grid), "kind") :
		"";
	const struct analysis *a = view->page->process->analysis;

	if (a && ref.type && !strcmp(kind, "frames")) /* node: the largest local */
		ref.node = analysis_parent(a, ref.node);
	if (view_report_is_several(v))
		page_push(view->page, view_report_of(view->page, v->report, 0, ref.node));
	else if (ref.type && (!strcmp(kind, "group") || !strcmp(kind, "frames")))
		page_push(view->page,
			  view_instances_of_group(view->page, ref.type, ref.node));
	else if (ref.node != HEAP_NONE)
		page_open_node(view->page, ref.node);
	else if (ref.type)
		page_open_type(view->page, ref.type);
}

static void view_report_destroy(struct view *view)
{
	view_report_forget(view_report_self(view));
	free(view);
}

static const struct hint hints[] = {
	{ KEY_IS_ENTER, "Enter", "open" },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.load = view_report_load,
	.draw = view_report_draw,
	.enter = view_report_enter,
	.subject = view_report_subject,
	.destroy = view_report_destroy,
	.hints = hints,
};

struct view *view_report_of(struct page *page, const struct report *report, uint32_t type,
			    uint32_t node)
{
	struct report_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->view = (struct view){ .ops = &ops, .page = page };
	v->report = report;
	v->type = type;
	v->node = node;
	v->grid.sort = -1;
	snprintf(v->view.crumb, sizeof(v->view.crumb), "%s", report->name);
	return &v->view;
}

struct view *view_report_create(struct page *page, const void *report_name)
{
	const struct report *report = report_find(report_name);

	return report ? view_report_of(page, report, 0, HEAP_NONE) : NULL;
}
