/* SPDX-License-Identifier: MIT */
/*
 * How a grid looks.  Numbers get the width they need, text shares the rest.
 * When that leaves too little for the text, columns of numbers are left out
 * from the right, but never the one that is sorted by, or tells what is retained where
 * nothing is sorted.
 */
#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "viewer/text/human.h"
#include "viewer/screen/glyph.h"
#include "viewer/screen/grid.h"

enum {
	TEXT_MIN = 14,
	TEXT_LOOK = 200,
	TEXT_WANTED = 36,
	BAR_WIDTH = 10,
	BAR_FEW = 1000, /* rows that are all looked at for the longest bar */
	GAP = 1,
	/* a text's column is no wider than this beside numbers, nor much wider than the
	 * text: who reads along a row must find them */
	NEAR_LEAST = 80,
	NEAR_MOST = 120,
	NEAR_STEP = 20, /* so that columns seldom move when the rows do */
};

static bool grid_draw_is_text(const struct grid *g, size_t c)
{
	return g->columns[c].type == CELL_TEXT;
}

static struct grid_cell grid_draw_cell_at(struct grid *g, size_t shown, size_t column)
{
	struct grid_cell cell = { 0 };
	size_t row = g->order ? g->order[shown] : shown;

	g->source->cell(g->arg, row, column, &cell);
	return cell;
}

/* Updates seen[] from the rows about to be drawn. */
static void grid_draw_measure(struct grid *g, const struct surface *s, int rows)
{
	for (size_t c = 0; c < g->ncolumns; c++) {
		int title = (int)strlen(g->columns[c].title) + 2;
		if (grid_draw_is_text(g, c))
			g->seen[c] = title; /* text columns may shrink again */
		else if (g->seen[c] < title)
			g->seen[c] = title;
	}
	for (size_t i = g->top; i < g->shown && i < g->top + (size_t)rows; i++) {
		if (grid_heading(g, i))
			continue;
		for (size_t c = 0; c < g->ncolumns; c++) {
			struct grid_cell cell = grid_draw_cell_at(g, i, c);
			char buf[64];
			int n = grid_draw_is_text(g, c) && cell.text ?
				glyph_columns(cell.text, cell.size, s->ascii, TEXT_LOOK) +
					cell.indent + (int)cell.nspark :
				(int)strlen(grid_format(g, c, &cell, buf, sizeof(buf)));
			if (n > g->seen[c])
				g->seen[c] = n;
		}
	}
}

static int grid_draw_numbers_width(const struct grid *g)
{
	int n = 0;

	for (size_t c = 0; c < g->ncolumns; c++)
		if (!grid_draw_is_text(g, c) && g->width[c])
			n += g->width[c] + GAP;
	return n;
}

/* The column that is never left out: what is sorted by, else what is retained; -1: none
 * of them. */
static int grid_draw_kept(const struct grid *g)
{
	if (g->sort >= 0)
		return g->sort;
	for (size_t c = 0; c < g->ncolumns; c++)
		if (!strcmp(g->columns[c].key, "retained"))
			return (int)c;
	return -1;
}

/* Leaves out numbers from the right until the text has room. */
static void grid_draw_drop_columns(struct grid *g, int width, int wanted)
{
	const int kept = grid_draw_kept(g);

	for (int c = (int)g->ncolumns - 1; c >= 0; c--) {
		if (grid_draw_numbers_width(g) + wanted <= width)
			return;
		if (!grid_draw_is_text(g, (size_t)c) && c != kept)
			g->width[c] = 0;
	}
}

/* What a text column beside the first one must have. */
static int grid_draw_least(const struct grid *g, size_t c)
{
	return (g->seen[c] < TEXT_MIN + 4 ? g->seen[c] : TEXT_MIN + 4) + GAP;
}

/* Leaves out texts from the right, so that the first one can be read. */
static void grid_draw_drop_texts(struct grid *g, int room)
{
	int first = -1, others = 0;

	for (size_t c = 0; c < g->ncolumns; c++) {
		if (!grid_draw_is_text(g, c) || g->columns[c].hidden)
			continue;
		if (first < 0)
			first = (int)c;
		else
			others += grid_draw_least(g, c);
	}
	if (first < 0)
		return;
	int want = g->seen[first] < TEXT_WANTED ? g->seen[first] : TEXT_WANTED;
	for (int c = (int)g->ncolumns - 1; c > first && room - others < want; c--) {
		if (!grid_draw_is_text(g, (size_t)c) || g->columns[c].hidden ||
		    c == g->sort)
			continue;
		others -= grid_draw_least(g, (size_t)c);
		g->width[c] = -1;
	}
}

/* How wide a text column may be: any width where nothing follows it but texts. */
static int grid_draw_most(const struct grid *g, size_t c)
{
	bool numbers = g->bar_width > 0; /* it stands behind the first text */
	int most = (g->seen[c] / NEAR_STEP + 2) * NEAR_STEP;

	for (size_t before = 0; before < c; before++)
		numbers &= !grid_draw_is_text(g, before) || !g->width[before];
	for (size_t next = c + 1; next < g->ncolumns; next++)
		numbers |= !grid_draw_is_text(g, next) && g->width[next] > 0;
	if (!numbers)
		return INT_MAX;
	return most < NEAR_LEAST ? NEAR_LEAST : most > NEAR_MOST ? NEAR_MOST : most;
}

/* Shares `room` among the text columns: each what it needs, the greediest cut first. */
static void grid_draw_share_text(struct grid *g, int room)
{
	size_t n = 0;
	bool done[GRID_MAX_COLUMNS] = { false };

	for (size_t c = 0; c < g->ncolumns; c++) {
		done[c] = g->width[c] < 0;
		g->width[c] = done[c] ? 0 : g->width[c];
		n += grid_draw_is_text(g, c) && !g->columns[c].hidden && !done[c];
	}
	size_t left = n;
	room -= (int)n * GAP;
	while (left > 0) {
		int fair = room / (int)left;
		bool moved = false;
		for (size_t c = 0; c < g->ncolumns; c++) {
			if (!grid_draw_is_text(g, c) || g->columns[c].hidden || done[c] ||
			    g->seen[c] > fair)
				continue;
			g->width[c] = g->seen[c];
			room -= g->seen[c];
			done[c] = moved = true;
			left--;
		}
		if (moved)
			continue;
		for (size_t c = 0; c < g->ncolumns; c++) {
			if (!grid_draw_is_text(g, c) || g->columns[c].hidden || done[c])
				continue;
			g->width[c] = room / (int)left < 1 ? 1 : room / (int)left;
			room -= g->width[c];
			left--;
		}
	}
	int widest = -1; /* takes what is left: the first of those that need most */
	for (size_t c = 0; c < g->ncolumns && room > 0; c++)
		if (grid_draw_is_text(g, c) && !g->columns[c].hidden && g->width[c] > 0 &&
		    (widest < 0 || g->seen[c] > g->seen[widest]))
			widest = (int)c;
	if (widest >= 0)
		g->width[widest] += room;
	for (size_t c = 0; c < g->ncolumns; c++)
		if (grid_draw_is_text(g, c) && g->width[c] > grid_draw_most(g, c))
			g->width[c] = grid_draw_most(g, c);
}

/* What the texts should have before numbers take the room: the first one what it needs,
 * within reason, a second one a little, further ones less; but not all there is. */
static int grid_draw_text_wanted(const struct grid *g, int width)
{
	int most = width < 60 ? TEXT_MIN : TEXT_WANTED, wanted = 0, n = 0;

	for (size_t c = 0; c < g->ncolumns; c++) {
		if (!grid_draw_is_text(g, c) || g->columns[c].hidden)
			continue;
		int room = n == 0 ? most : n == 1 ? TEXT_MIN + 4 : TEXT_MIN / 2;
		wanted += (g->seen[c] < room ? g->seen[c] : room) + GAP;
		n++;
	}
	return wanted < width * 7 / 10 ? wanted : width * 7 / 10;
}

static void grid_draw_lay_out(struct grid *g, struct rect r)
{
	for (size_t c = 0; c < g->ncolumns; c++)
		g->width[c] =
			g->columns[c].hidden || grid_draw_is_text(g, c) ? 0 : g->seen[c];
	int wanted = grid_draw_text_wanted(g, r.width);
	grid_draw_drop_columns(g, r.width, wanted);
	int left = r.width - grid_draw_numbers_width(g);
	int before_bar = wanted < TEXT_WANTED ? wanted : TEXT_WANTED;
	g->bar_width = g->bar >= 0 && left >= before_bar + BAR_WIDTH ? BAR_WIDTH : 0;
	grid_draw_drop_texts(g, left);
	grid_draw_share_text(g, left - (g->bar_width ? g->bar_width + GAP : 0));
	int x = r.x, bar_after = -1;
	for (size_t c = 0; c < g->ncolumns; c++)
		if (grid_draw_is_text(g, c) && g->width[c] && bar_after < 0)
			bar_after = (int)c;
	for (size_t c = 0; c < g->ncolumns; c++) {
		g->x[c] = x;
		x += g->width[c] ? g->width[c] + GAP : 0;
		if (g->bar_width && (int)c == bar_after) {
			g->bar_x = x;
			x += g->bar_width + GAP;
		}
	}
}

static void grid_draw_titles(struct grid *g, struct surface *s, struct rect r)
{
	surface_fill(s, r.y, r.x, r.width, STYLE_HEAD, ' ');
	for (size_t c = 0; c < g->ncolumns; c++) {
		if (!g->width[c])
			continue;
		bool sorted = g->sort == (int)c && !g->fixed_order;
		const char *mark = !sorted ? "" :
			s->ascii	   ? (g->descending ? " v" : " ^") :
			g->descending	   ? " \xe2\x96\xbc" :
					     " \xe2\x96\xb2";
		char title[64];
		snprintf(title, sizeof(title), "%s%s", g->columns[c].title, mark);
		enum style style = sorted ? STYLE_HEAD_SORT : STYLE_HEAD;
		if (grid_draw_is_text(g, c))
			surface_puts(s, r.y, g->x[c], g->width[c], style, title);
		else
			surface_right(s, r.y, g->x[c], g->width[c], style, title);
	}
}

static double grid_draw_bar_value(const struct grid *g, const struct grid_cell *cell)
{
	enum cell_type type = g->columns[g->bar].type;

	if (cell->unknown)
		return 0;
	if (type == CELL_RATIO || type == CELL_REAL)
		return cell->ratio;
	if (type == CELL_COUNT_DIFF || type == CELL_BYTES_DIFF || type == CELL_INTEGER)
		return cell->i64 < 0 ? -(double)cell->i64 : (double)cell->i64;
	return (double)cell->u64;
}

static void grid_draw_bar(struct grid *g, struct surface *s, int y, size_t shown)
{
	struct grid_cell cell = grid_draw_cell_at(g, shown, (size_t)g->bar);
	double value = grid_draw_bar_value(g, &cell);
	bool diff = g->columns[g->bar].type == CELL_COUNT_DIFF ||
		g->columns[g->bar].type == CELL_BYTES_DIFF;
	enum style style = !diff ? STYLE_BAR : cell.i64 > 0 ? STYLE_MORE : STYLE_LESS;

	if (g->bar_total > 0)
		surface_bar(s, y, g->bar_x, g->bar_width, style, value / g->bar_total);
}

/* Shows where the searched text is. */
static void grid_draw_mark_match(const struct grid *g, struct surface *s, int y, int x,
				 int width, const struct grid_cell *cell)
{
	size_t n = strlen(g->search), at = 0;

	while (at + n <= cell->size && strncasecmp(cell->text + at, g->search, n) != 0)
		at++;
	if (at + n > cell->size)
		return;
	int before = glyph_columns(cell->text, at, s->ascii, width);
	int columns = glyph_columns(cell->text + at, n, s->ascii, width);
	if (before + columns <= width)
		surface_restyle(s, y, x + before, columns, STYLE_MATCH);
}

static void grid_draw_text_cell(struct grid *g, struct surface *s, int y, size_t c,
				const struct grid_cell *cell)
{
	int x = g->x[c], width = g->width[c];

	assert(c < g->ncolumns);
	if (cell->spark) {
		surface_spark(s, y, x, width, cell->style, cell->spark, cell->nspark);
		return;
	}
	if (cell->unknown || !cell->text)
		return;
	int indent = cell->indent < width ? cell->indent : width - 1;
	if (cell->keep_ends)
		surface_middle_text(s, y, x + indent, width - indent, cell->style,
				    cell->text, cell->size);
	else
		surface_text(s, y, x + indent, width - indent, cell->style, cell->text,
			     cell->size);
	const bool cut = cell->keep_ends &&
		glyph_columns(cell->text, cell->size, s->ascii, width) > width - indent;
	if (g->search[0])
		grid_draw_mark_match(g, s, y, x + indent,
				     cut ? (width - indent) / 3 : width - indent, cell);
}

static void grid_draw_row(struct grid *g, struct surface *s, int y, size_t shown,
			  struct rect r)
{
	const char *heading = grid_heading(g, shown);

	assert(shown < g->shown);
	if (heading) {
		surface_puts(s, y, r.x, r.width, STYLE_STRONG, heading);
		return;
	}
	for (size_t c = 0; c < g->ncolumns; c++) {
		if (!g->width[c])
			continue;
		struct grid_cell cell = grid_draw_cell_at(g, shown, c);
		if (grid_draw_is_text(g, c)) {
			grid_draw_text_cell(g, s, y, c, &cell);
			continue;
		}
		char buf[64];
		bool diff = g->columns[c].type == CELL_COUNT_DIFF ||
			g->columns[c].type == CELL_BYTES_DIFF;
		enum style style = diff && !cell.unknown && cell.i64 > 0 ? STYLE_MORE :
			diff && !cell.unknown && cell.i64 < 0		 ? STYLE_LESS :
									   cell.style;
		surface_right(s, y, g->x[c], g->width[c], style,
			      grid_format(g, c, &cell, buf, sizeof(buf)));
	}
	if (g->bar_width)
		grid_draw_bar(g, s, y, shown);
	if (shown == g->cursor)
		surface_select(s, y, r.x, r.width);
}

/* Keeps the cursor on screen, with the heading above it when it is the first row. */
static void grid_draw_scroll(struct grid *g, int rows)
{
	size_t page = rows > 0 ? (size_t)rows : 1;
	size_t want = g->cursor;

	while (want > 0 && g->cursor - want < 2 && grid_heading(g, want - 1))
		want--;
	if (g->top > want)
		g->top = want;
	if (g->cursor >= g->top + page)
		g->top = g->cursor - page + 1;
	if (g->shown <= page)
		g->top = 0;
	else if (g->top > g->shown - page)
		g->top = g->shown - page;
}

/* The largest value of the bar's column, when no total is set: of all rows where they are
 * few, so that no bar changes when others come into sight, else among what is visible and
 * what was visible before. */
static void grid_draw_measure_bar(struct grid *g, int rows)
{
	const bool few = g->shown <= BAR_FEW;
	const size_t from = few ? 0 : g->top, to = few ? g->shown : g->top + (size_t)rows;

	if (g->bar < 0)
		return;
	for (size_t i = from; i < g->shown && i < to; i++) {
		if (grid_heading(g, i))
			continue;
		struct grid_cell cell = grid_draw_cell_at(g, i, (size_t)g->bar);
		double value = grid_draw_bar_value(g, &cell);
		if (value > g->bar_total)
			g->bar_total = value;
	}
}

void grid_draw(struct grid *g, struct surface *s, struct rect r)
{
	int rows = r.height - 1;

	if (rows < 0)
		return;
	grid_draw_scroll(g, rows);
	grid_draw_measure(g, s, rows);
	grid_draw_measure_bar(g, rows);
	grid_draw_lay_out(g, r);
	grid_draw_titles(g, s, r);
	g->body = (struct rect){ r.y + 1, r.x, rows, r.width };
	for (int i = 0; i < rows && g->top + (size_t)i < g->shown; i++)
		grid_draw_row(g, s, r.y + 1 + i, g->top + (size_t)i, g->body);
	if (g->shown == 0 && rows > 0)
		surface_puts(s, r.y + 1, r.x + 1, r.width - 2, STYLE_DIM,
			     g->filter[0] ? "no row contains the filter's text" :
					    g->empty);
}
