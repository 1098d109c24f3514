/* SPDX-License-Identifier: MIT */
/* The model of a grid: order, cursor, search. Drawing is in grid_draw.c. */
#include "viewer/screen/grid.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "viewer/render/cell.h"

void grid_init(struct grid *g, const struct grid_source *source, void *arg,
	       const struct column *columns, size_t ncolumns)
{
	*g = (struct grid){
		.source = source,
		.arg = arg,
		.columns = columns,
		.ncolumns = ncolumns < GRID_MAX_COLUMNS ? ncolumns : GRID_MAX_COLUMNS,
		.bar = -1,
		.sort = -1,
		.empty = "nothing to show",
	};
}

void grid_deinit(struct grid *g)
{
	free(g->order);
	g->order = NULL;
}

static size_t grid_source_row(const struct grid *g, size_t shown)
{
	assert(shown < g->shown);
	return g->order ? g->order[shown] : shown;
}

const char *grid_heading(const struct grid *g, size_t shown)
{
	if (!g->source->heading || shown >= g->shown)
		return NULL;
	return g->source->heading(g->arg, grid_source_row(g, shown));
}

size_t grid_row(const struct grid *g)
{
	if (g->cursor >= g->shown || grid_heading(g, g->cursor))
		return SIZE_MAX;
	return grid_source_row(g, g->cursor);
}

const char *grid_format(const struct grid *g, size_t column, const struct grid_cell *cell,
			char *buf, size_t size)
{
	const enum cell_type type = g->columns[column].type;
	const struct cell number = { .u64 = cell->u64 };
	char human[CELL_TEXT_SIZE];

	assert(column < g->ncolumns);
	snprintf(buf, size, "%s",
		 cell->unknown		   ? "-" :
			 type == CELL_TEXT ? "" :
					     cell_number_human(type, &number, human));
	return buf;
}

static bool grid_holds(const char *text, size_t size, const char *wanted)
{
	size_t n = strlen(wanted);

	for (size_t i = 0; n > 0 && i + n <= size; i++)
		if (strncasecmp(text + i, wanted, n) == 0)
			return true;
	return n == 0;
}

/* Whether any text cell of the source's row contains text. */
static bool grid_row_holds(const struct grid *g, size_t row, const char *text)
{
	for (size_t c = 0; c < g->ncolumns; c++) {
		struct grid_cell cell = { 0 };
		if (g->columns[c].type != CELL_TEXT && g->columns[c].type != CELL_ADDRESS)
			continue;
		g->source->cell(g->arg, row, c, &cell);
		char buf[CELL_ADDRESS_SIZE];
		if (g->columns[c].type == CELL_ADDRESS && !cell.unknown) {
			grid_format(g, c, &cell, buf, sizeof(buf));
			cell.text = buf;
			cell.size = strlen(buf);
		}
		if (cell.text && grid_holds(cell.text, cell.size, text))
			return true;
	}
	return false;
}

/* Order-preserving map of a number to u64. */
static uint64_t grid_number_key(enum cell_type type, const struct grid_cell *cell)
{
	if (cell->unknown)
		return 0;
	if (type == CELL_RATIO || type == CELL_REAL)
		return cell->ratio > 0 ? (uint64_t)(cell->ratio * 1e15) + 1 : 1;
	if (type == CELL_COUNT_DIFF || type == CELL_BYTES_DIFF || type == CELL_INTEGER)
		return (uint64_t)cell->i64 ^ (1ull << 63);
	return cell->u64 + (cell->u64 != UINT64_MAX);
}

struct sort_item {
	uint64_t key;
	uint32_t row, place; /* place keeps equal rows as they were */
};

struct sort_arg {
	const struct grid *grid;
	bool text;
	int sign;
};

static int grid_compare_text(const struct grid *g, uint32_t a, uint32_t b)
{
	struct grid_cell cell = { 0 };
	char copy[256];

	g->source->cell(g->arg, a, (size_t)g->sort, &cell);
	size_t n = cell.size < sizeof(copy) - 1 ? cell.size : sizeof(copy) - 1;
	if (n)
		memcpy(copy, cell.text, n);
	copy[n] = 0;
	cell = (struct grid_cell){ 0 };
	g->source->cell(g->arg, b, (size_t)g->sort, &cell);
	int d = strncasecmp(copy, cell.text ? cell.text : "",
			    n < cell.size ? n : cell.size);
	return d ? d : (n > cell.size) - (n < cell.size);
}

static int grid_compare(const void *pa, const void *pb, void *arg)
{
	const struct sort_item *a = pa, *b = pb;
	const struct sort_arg *s = arg;
	int d = s->text ? grid_compare_text(s->grid, a->row, b->row) :
			  (a->key > b->key) - (a->key < b->key);

	return d ? d * s->sign : (a->place > b->place) - (a->place < b->place);
}

static int grid_sort_rows(struct grid *g, const struct progress *progress)
{
	enum cell_type type = g->columns[g->sort].type;
	struct sort_item *items = malloc((g->shown + 1) * sizeof(*items));

	assert(g->order && g->sort >= 0 && (size_t)g->sort < g->ncolumns);
	if (!items)
		return -ENOMEM;
	int err = 0;
	for (size_t i = 0; i < g->shown && !err; i++) {
		struct grid_cell cell = { 0 };
		if (type != CELL_TEXT)
			g->source->cell(g->arg, g->order[i], (size_t)g->sort, &cell);
		items[i] = (struct sort_item){ grid_number_key(type, &cell), g->order[i],
					       (uint32_t)i };
		if (i % PROGRESS_EVERY == 0)
			err = progress_step(progress, "sorting", i, g->shown);
	}
	if (!err) {
		struct sort_arg arg = { g, type == CELL_TEXT, g->descending ? -1 : 1 };
		qsort_r(items, g->shown, sizeof(*items), grid_compare, &arg);
		for (size_t i = 0; i < g->shown; i++)
			g->order[i] = items[i].row;
	}
	free(items);
	return err;
}

static int grid_select_rows(struct grid *g, size_t n, const struct progress *progress)
{
	assert(g->order || !n);
	g->shown = 0;
	for (size_t row = 0; row < n; row++) {
		bool title = g->source->heading && g->source->heading(g->arg, row);
		if (title || !g->filter[0] || grid_row_holds(g, row, g->filter))
			g->order[g->shown++] = (uint32_t)row;
		if (row % PROGRESS_EVERY == 0) {
			int err = progress_step(progress, "filtering", row, n);
			if (err)
				return err;
		}
	}
	return 0;
}

static void grid_clamp(struct grid *g)
{
	if (g->cursor >= g->shown)
		g->cursor = g->shown ? g->shown - 1 : 0;
	size_t at = g->cursor;
	while (at < g->shown && grid_heading(g, at))
		at++;
	if (at >= g->shown)
		for (at = g->cursor; at > 0 && grid_heading(g, at);)
			at--;
	g->cursor = at;
}

int grid_refresh(struct grid *g, const struct progress *progress)
{
	size_t n = g->source->rows(g->arg);

	if (n > UINT32_MAX - 1)
		n = UINT32_MAX - 1;
	free(g->order);
	g->order = NULL;
	g->shown = n;
	int err = 0;
	if (n && (g->filter[0] || (g->sort >= 0 && !g->fixed_order))) {
		g->order = malloc(n * sizeof(*g->order));
		err = g->order ? grid_select_rows(g, n, progress) : -ENOMEM;
		if (!err && g->sort >= 0 && !g->fixed_order)
			err = grid_sort_rows(g, progress);
	}
	if (err) {
		free(g->order);
		g->order = NULL;
		g->shown = n;
		g->sort = -1;
		g->filter[0] = 0;
	}
	grid_clamp(g);
	return err;
}

void grid_go_to(struct grid *g, size_t row)
{
	for (size_t i = 0; i < g->shown; i++) {
		if (grid_source_row(g, i) == row) {
			g->cursor = i;
			grid_clamp(g);
			return;
		}
		if (!g->order) {
			g->cursor = row < g->shown ? row : g->cursor;
			grid_clamp(g);
			return;
		}
	}
}

/* Moves by n rows; headings are jumped over in the direction of the move. */
static void grid_move(struct grid *g, long n)
{
	if (!g->shown)
		return;
	long last = (long)g->shown - 1, at = (long)g->cursor + n;
	at = at < 0 ? 0 : at > last ? last : at;
	long step = n < 0 ? -1 : 1, found = at;
	while (found >= 0 && found <= last && grid_heading(g, (size_t)found))
		found += step;
	if (found < 0 || found > last) {
		if (n < 0)
			g->top = 0; /* let the first heading be seen */
		for (found = at;
		     found >= 0 && found <= last && grid_heading(g, (size_t)found);)
			found -= step;
	}
	if (found >= 0 && found <= last)
		g->cursor = (size_t)found;
}

static int grid_sort_by(struct grid *g, int column, bool descending,
			const struct progress *progress)
{
	size_t row = grid_row(g);

	g->sort = column;
	g->descending = descending;
	int err = grid_refresh(g, progress);
	if (row != SIZE_MAX && g->cursor != 0)
		g->cursor = 0;
	g->top = 0;
	grid_clamp(g);
	return err;
}

static bool grid_sortable(const struct grid *g, int column)
{
	return !g->columns[column].hidden && g->columns[column].title[0];
}

/* The next column left or right that can be sorted by. */
static void grid_sort_step(struct grid *g, int step, const struct progress *progress)
{
	int n = (int)g->ncolumns, column = g->sort < 0 ? (step > 0 ? -1 : n) : g->sort;

	for (int i = 0; i < n; i++) {
		column = (column + step + n) % n;
		if (grid_sortable(g, column))
			break;
	}
	grid_sort_by(g, column, g->columns[column].type != CELL_TEXT, progress);
}

static enum grid_result grid_click(struct grid *g, const struct event *e,
				   const struct progress *progress)
{
	if (e->y == g->body.y - 1 && !g->fixed_order) {
		for (int c = 0; c < (int)g->ncolumns; c++) {
			if (g->width[c] == 0 || e->x < g->x[c] ||
			    e->x >= g->x[c] + g->width[c])
				continue;
			bool again = g->sort == c;
			bool descending =
				again ? !g->descending : g->columns[c].type != CELL_TEXT;
			grid_sort_by(g, c, descending, progress);
		}
		return GRID_DONE;
	}
	if (e->y < g->body.y || e->y >= g->body.y + g->body.height || e->x < g->body.x ||
	    e->x >= g->body.x + g->body.width)
		return GRID_IGNORED;
	size_t at = g->top + (size_t)(e->y - g->body.y);
	if (at >= g->shown || grid_heading(g, at))
		return GRID_DONE;
	bool again = at == g->cursor;
	g->cursor = at;
	return again || e->twice ? GRID_ENTER : GRID_DONE;
}

enum grid_result grid_event(struct grid *g, const struct event *e,
			    const struct progress *progress)
{
	long page = g->body.height > 1 ? g->body.height - 1 : 1;
	long all = (long)g->shown;

	switch (key_as_motion(e->key)) {
	case KEY_IS_UP:
		grid_move(g, -1);
		return GRID_DONE;
	case KEY_IS_DOWN:
		grid_move(g, 1);
		return GRID_DONE;
	case KEY_IS_PAGE_UP:
		grid_move(g, -page);
		return GRID_DONE;
	case KEY_IS_PAGE_DOWN:
		grid_move(g, page);
		return GRID_DONE;
	case KEY_IS_HOME:
		grid_move(g, -all);
		return GRID_DONE;
	case KEY_IS_END:
		grid_move(g, all);
		return GRID_DONE;
	case KEY_IS_WHEEL_UP:
		grid_move(g, -3);
		return GRID_DONE;
	case KEY_IS_WHEEL_DOWN:
		grid_move(g, 3);
		return GRID_DONE;
	case KEY_IS_ENTER:
		return g->shown ? GRID_ENTER : GRID_DONE;
	case KEY_IS_CLICK:
		return grid_click(g, e, progress);
	default:
		break;
	}
	if (g->fixed_order)
		return GRID_IGNORED;
	if (e->key == '<' || e->key == '>') {
		grid_sort_step(g, e->key == '<' ? -1 : 1, progress);
		return GRID_DONE;
	}
	if (e->key == 'I' && g->sort >= 0) {
		grid_sort_by(g, g->sort, !g->descending, progress);
		return GRID_DONE;
	}
	return GRID_IGNORED;
}

int grid_filter(struct grid *g, const char *text, const struct progress *progress)
{
	size_t n = strlen(text);

	if (n >= sizeof(g->filter))
		n = sizeof(g->filter) - 1;
	memmove(g->filter, text, n);
	g->filter[n] = 0;
	g->cursor = g->top = 0;
	if (g->source->unfold)
		g->source->unfold(g->arg, g->filter[0] != 0);
	return grid_refresh(g, progress);
}

void grid_fold(struct grid *g, const struct progress *progress)
{
	if (!g->source->unfold || g->filter[0])
		return;
	g->source->unfold(g->arg, false);
	grid_refresh(g, progress);
}

size_t grid_all_rows(const struct grid *g)
{
	return g->source->unfolded ? g->source->unfolded(g->arg) :
				     g->source->rows(g->arg);
}

static bool grid_find_shown(struct grid *g, size_t from, int step, bool here,
			    const struct progress *progress)
{
	if (!g->shown || !g->search[0])
		return false;
	size_t at = from < g->shown ? from : 0;
	for (size_t i = 0; i < g->shown; i++) {
		if (i > 0 || !here)
			at = step > 0 ? (at + 1) % g->shown :
					(at + g->shown - 1) % g->shown;
		if (i % PROGRESS_EVERY == PROGRESS_EVERY - 1 &&
		    progress_step(progress, "searching", i, g->shown))
			return false;
		if (!grid_heading(g, at) &&
		    grid_row_holds(g, grid_source_row(g, at), g->search)) {
			g->cursor = at;
			return true;
		}
	}
	return false;
}

bool grid_find(struct grid *g, size_t from, int step, bool here,
	       const struct progress *progress)
{
	if (grid_find_shown(g, from, step, here, progress))
		return true;
	if (!g->source->unfold || !g->search[0] || g->filter[0] ||
	    grid_all_rows(g) <= g->source->rows(g->arg))
		return false;
	g->source->unfold(g->arg, true);
	if (!grid_refresh(g, progress) && grid_find_shown(g, 0, step, true, progress))
		return true;
	grid_fold(g, progress);
	return false;
}
