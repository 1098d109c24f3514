/* SPDX-License-Identifier: MIT */
/*
 * Pieces in the order of the report, each with its share of the whole.  The
 * legend names live objects and then the largest, with the same letter and style; what
 * has no room in it is still in the bar, and the screen Budget lists everything.
 */
#include "viewer/screen/budget_bar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/text/human.h"
#include "viewer/screen/glyph.h"

enum { MAX_PIECES = 16 };

struct piece {
	const char *name;
	double bytes;
	int place; /* in the bar */
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

static void budget_bar_draw_bar(struct surface *s, struct rect r,
				const struct piece *pieces, int n, double total)
{
	double before = 0;
	for (int i = 0; i < n; i++) {
		int x0 = (int)(before / total * r.width);
		before += pieces[i].bytes;
		int x1 = i == n - 1 ? r.width : (int)(before / total * r.width);
		surface_fill(s, r.y, r.x + x0, x1 - x0, styles[i % 7],
			     (unsigned char)letters[i]);
	}
}

/* Sorts the pieces. */
static int budget_bar_draw_legend(struct surface *s, struct rect r, struct piece *pieces,
				  int n, double total)
{
	int x = 0, y = 1;
	qsort(pieces, (size_t)n, sizeof(*pieces), budget_bar_larger_first);
	for (int i = 0; i < n; i++) {
		char text[96], bytes[HUMAN_SIZE];
		snprintf(text, sizeof(text), "%s %s (%.0f %%)", pieces[i].name,
			 human_bytes_u64(bytes, (uint64_t)pieces[i].bytes),
			 100 * pieces[i].bytes / total);
		int need = glyph_columns(text, strlen(text), s->ascii, 200) + 2;
		if (x + need > r.width && x > 0) {
			x = 0;
			y++;
		}
		if (y >= r.height)
			return r.height;
		int place = pieces[i].place;
		surface_fill(s, r.y + y, r.x + x, 1, styles[place % 7],
			     (unsigned char)letters[place]);
		surface_puts(s, r.y + y, r.x + x + 2, r.width - x - 2, STYLE_NORMAL,
			     text);
		x += need + 2;
	}
	return y + 1;
}

int budget_bar_draw(struct surface *s, struct rect r, const struct table *budget)
{
	struct piece pieces[MAX_PIECES];
	double total;
	int n = budget->columns ? budget_bar_take_pieces(budget, pieces, &total) : 0;
	if (n == 0 || r.height < 2 || r.width < 20)
		return 0;
	budget_bar_draw_bar(s, r, pieces, n, total);
	return budget_bar_draw_legend(s, r, pieces, n, total);
}
