/* SPDX-License-Identifier: MIT */
/*
 * Pieces in the order of the report, each with its share of the whole.  The
 * legend names live objects and then the largest, with the same letter and style; those
 * that it has no room for are dots in the bar, and one entry together.  The screen
 * Budget lists everything.
 */
#include "viewer/screen/budget_bar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/text/human.h"
#include "viewer/screen/glyph.h"

enum { MAX_PIECES = 16, TEXT_MAX = 96, REST = '.' };

struct piece {
	const char *name;
	double bytes;
	int place; /* in the bar */
};

struct bar {
	struct piece pieces[MAX_PIECES]; /* in the order of the legend */
	int n;
	double total;
};

static const enum style styles[] = {
	STYLE_PART1, STYLE_PART2, STYLE_PART3, STYLE_PART4,
	STYLE_PART5, STYLE_PART6, STYLE_PART7,
};
static const char letters[] = "abcdefghijklmnop";

static int budget_bar_add_piece(struct piece *pieces, int n, const char *name,
				double bytes)
{
	pieces[n] = (struct piece){ name, bytes, n };
	return 1;
}

/* Live objects before all others. */
static int budget_bar_larger_first(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (!x->place || !y->place)
		return x->place - y->place;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->place - y->place;
}

/* Live objects are one piece, whatever their kinds; the other rows one each. */
static int budget_bar_take_pieces(const struct table *t, struct piece *pieces,
				  double *total_ret)
{
	int key = table_column(t, "category"), name = table_column(t, "title");
	int bytes = table_column(t, "size"), n = 1;

	*total_ret = 0;
	if (key < 0 || name < 0 || bytes < 0)
		return 0;
	pieces[0] = (struct piece){ "live objects", 0, 0 };
	for (size_t row = 0; row < t->rows && n < MAX_PIECES; row++) {
		const struct cell *cell = table_cell(t, row, (size_t)bytes);
		const char *category = table_text(t, table_cell(t, row, (size_t)key));
		if (cell->unknown || cell->u64 == 0)
			continue;
		*total_ret += (double)cell->u64;
		if (strncmp(category, "objects", 7) == 0)
			pieces[0].bytes += (double)cell->u64;
		else
			n += budget_bar_add_piece(
				pieces, n,
				table_text(t, table_cell(t, row, (size_t)name)),
				(double)cell->u64);
	}
	return *total_ret > 0 ? n : 0;
}

/* "live objects 19.43 MiB (56 %)"; returns its columns, the letter's included. */
static int budget_bar_say(char *text, size_t size, const char *name, double bytes,
			  double total, bool ascii)
{
	char human[HUMAN_SIZE];

	snprintf(text, size, "%s %s (%.0f %%)", name,
		 human_bytes_u64(human, (uint64_t)bytes), 100 * bytes / total);
	return glyph_columns(text, strlen(text), ascii, 200) + 2;
}

/* Writes the legend of the first `named` pieces and of the rest together, or, without
 * `draw`, finds whether it has room.  Returns the lines below r.y, 0: it has none. */
static int budget_bar_lay(struct surface *s, struct rect r, const struct bar *bar,
			  int named, bool draw)
{
	char text[TEXT_MAX];
	int x = 0, y = 1;

	for (int i = 0; i <= named && i < bar->n; i++) {
		const struct piece *p = &bar->pieces[i];
		double bytes = p->bytes;

		for (int k = i + 1; i == named && k < bar->n; k++)
			bytes += bar->pieces[k].bytes;
		int need = budget_bar_say(text, sizeof(text),
					  i < named ? p->name : "the rest", bytes,
					  bar->total, s->ascii);
		if (x + need > r.width && x > 0) {
			x = 0;
			y++;
		}
		if (y >= r.height || (need > r.width && i))
			return draw ? y : 0;
		if (draw) {
			surface_fill(s, r.y + y, r.x + x, 1,
				     i < named ? styles[p->place % 7] : STYLE_DIM,
				     i < named ? (unsigned char)letters[p->place] : REST);
			surface_puts(s, r.y + y, r.x + x + 2, r.width - x - 2,
				     STYLE_NORMAL, text);
		}
		x += need + 2;
	}
	return y;
}

/* The pieces that the legend names have their letters, all others the same one. */
static void budget_bar_draw_bar(struct surface *s, struct rect r, const struct bar *bar,
				int named)
{
	double before = 0;

	for (int place = 0; place < bar->n; place++) {
		int i = 0;

		while (bar->pieces[i].place != place)
			i++;
		int x0 = (int)(before / bar->total * r.width);
		before += bar->pieces[i].bytes;
		int x1 = place == bar->n - 1 ? r.width :
					       (int)(before / bar->total * r.width);
		surface_fill(s, r.y, r.x + x0, x1 - x0,
			     i < named ? styles[place % 7] : STYLE_DIM,
			     i < named ? (unsigned char)letters[place] : REST);
	}
}

int budget_bar_draw(struct surface *s, struct rect r, const struct table *budget)
{
	struct bar bar = { 0 };
	int named;

	if (budget->columns)
		bar.n = budget_bar_take_pieces(budget, bar.pieces, &bar.total);
	if (bar.n == 0 || r.height < 2 || r.width < 20)
		return 0;
	qsort(bar.pieces, (size_t)bar.n, sizeof(bar.pieces[0]), budget_bar_larger_first);
	for (named = bar.n; named > 1 && !budget_bar_lay(s, r, &bar, named, false);)
		named--;
	budget_bar_draw_bar(s, r, &bar, named);
	return budget_bar_lay(s, r, &bar, named, true) + 1;
}
