/* SPDX-License-Identifier: MIT */
/*
 * text - tables for people without a screen: aligned columns.
 *
 * Widths are those of the widest cell; the last column isn't padded.  A text column but
 * the last is cut at 60 columns, in the middle, where "…" stands then; of a whole table
 * (--all) nothing is cut, but what is longer than WHOLE_MAX pushes the columns after it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "viewer/name/name.h"
#include "viewer/render/cell.h"
#include "viewer/render/render.h"
#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"

#define TEXT_MAX 60
#define WHOLE_MAX 200
#define GAP "  "

/* Columns a text takes. */
static int text_width(const char *text)
{
	size_t size = strlen(text), len;
	int width = 0;

	for (size_t at = 0; at < size; at += len) {
		int32_t c = escape_decode(text + at, size - at, &len);
		int w = c < 0x300 ? 1 : wcwidth((wchar_t)c);

		width += w < 0 ? 1 : w;
	}
	return width;
}

/* In as many columns; characters may be two wide. */
static void render_text_cut(struct text *out, const char *text, int width)
{
	size_t most = (size_t)width;

	do {
		text_clear(out);
		name_cut(out, text, most);
	} while (text_width(text_get(out)) > width && --most);
}

static bool render_text_right_aligned(const struct column *column)
{
	return column->type != CELL_TEXT && column->type != CELL_BOOL;
}

static void render_text_put_padded(FILE *out, const char *text, int width, bool right,
				   bool last)
{
	const int pad = width - text_width(text);

	if (right && pad > 0)
		print_format(out, "%*s", pad, "");
	print_format(out, "%s", text);
	if (!right && !last && pad > 0)
		print_format(out, "%*s", pad, "");
}

static void render_text_put_cell(FILE *out, const struct table *table, const char *text,
				 int width, bool right, bool last)
{
	struct text cut = { 0 };

	if (!table->whole && !last && text_width(text) > width) {
		render_text_cut(&cut, text, width);
		text = text_get(&cut);
	}
	render_text_put_padded(out, text, width, right, last);
	text_free(&cut);
}

static int render_text_last_shown(const struct table *table)
{
	int last = -1;

	for (size_t c = 0; c < table->ncolumns; c++)
		if (!table->columns[c].hidden)
			last = (int)c;
	return last;
}

static int render_text_column_width(const struct table *table, size_t column)
{
	char buf[CELL_TEXT_SIZE];
	const int most = table->whole ? WHOLE_MAX : TEXT_MAX;
	int width = text_width(table->columns[column].title);

	for (size_t r = 0; r < table->rows; r++) {
		int w = text_width(cell_human(table, r, column, buf));

		width = w > width ? w : width;
	}
	if (table->columns[column].type == CELL_TEXT && width > most)
		width = most;
	return width;
}

static void render_text_put_rows(FILE *out, const struct table *table)
{
	int *widths = calloc(table->ncolumns, sizeof(*widths)),
	    last = render_text_last_shown(table);
	char buf[CELL_TEXT_SIZE];

	for (size_t c = 0; widths && c < table->ncolumns; c++)
		widths[c] = render_text_column_width(table, c);
	for (size_t r = 0; widths && r <= table->rows; r++) {
		bool first = true;

		for (size_t c = 0; c < table->ncolumns; c++) {
			const struct column *column = &table->columns[c];

			if (column->hidden)
				continue;
			print_lines(out, first ? "" : GAP);
			first = false;
			render_text_put_cell(out, table,
					     r ? cell_human(table, r - 1, c, buf) :
						 column->title,
					     widths[c], render_text_right_aligned(column),
					     (int)c == last);
		}
		print_lines(out, "\n");
	}
	free(widths);
}

static void render_text_put_single(FILE *out, const struct table *table)
{
	char buf[CELL_TEXT_SIZE];
	int width = 0;

	for (size_t c = 0; c < table->ncolumns; c++) {
		int w = text_width(table->columns[c].title);

		width = !table->columns[c].hidden && w > width ? w : width;
	}
	for (size_t r = 0; r < table->rows; r++)
		for (size_t c = 0; c < table->ncolumns; c++) {
			if (table->columns[c].hidden)
				continue;
			render_text_put_padded(out, table->columns[c].title, width, false,
					       false);
			print_format(out, GAP "%s\n", cell_human(table, r, c, buf));
		}
}

static void render_text_put_title(FILE *out, const struct report *report,
				  const struct process *process)
{
	struct text text = { 0 };

	print_format(out, "%s: process %" PRIu64, report->title, process_pid(process));
	if (process->old && report->needs & NEEDS_OLD)
		print_format(out, " compared with %" PRIu64, process_pid(process->old));
	text_escape(&text, process->file, strlen(process->file), 300, 0);
	print_format(out, " (%s)\n", text_get(&text));
	text_free(&text);
	if (process->problem[0])
		print_format(out, "INCOMPLETE: %s\n", process->problem);
	else if (!process->heap->complete)
		print_lines(out, "INCOMPLETE: the snapshot is truncated\n");
}

static void render_text_head(FILE *out, const struct report *report,
			     const struct process *process, unsigned index,
			     const struct table *table)
{
	(void)table;
	if (index)
		print_lines(out, "\n");
	render_text_put_title(out, report, process);
}

/* Widths are a batch's own. */
static void render_text_body(FILE *out, const struct report *report,
			     const struct table *table, uint64_t before)
{
	if (table->error)
		print_format(out, "%s\n", table->error);
	else if (report->single)
		render_text_put_single(out, table);
	else if (table->rows)
		render_text_put_rows(out, table);
	else if (!before)
		print_lines(out, "nothing to show\n");
}

static void render_text_tail(FILE *out, const struct report *report,
			     const struct table *table, uint64_t rows)
{
	char shown[HUMAN_SIZE], total[HUMAN_SIZE];

	(void)report;
	if (rows < table->total)
		print_format(out, "%s of %s rows\n", human_count(shown, (size_t)rows),
			     human_count(total, table->total));
	for (size_t i = 0; i < VEC_COUNT(table->notes, size_t); i++)
		print_format(out, "%s\n",
			     VEC(table->text, const char) + VEC(table->notes, size_t)[i]);
}

static void render_text_begin(FILE *out, const struct report *report)
{
	(void)out;
	(void)report;
}

/* Widths are a batch's own. */
static void render_text_put_batch(FILE *out, const struct table *table, uint64_t before,
				  const char *problem)
{
	if (!before && problem[0])
		print_format(out, "INCOMPLETE: %s\n", problem);
	if (table->rows || !before)
		render_text_put_rows(out, table);
}

static void render_text_end_batches(FILE *out, uint64_t rows)
{
	if (!rows)
		print_lines(out, "nothing to show\n");
}

const struct renderer render_text = { "text",
				      render_text_begin,
				      render_text_head,
				      render_text_body,
				      render_text_tail,
				      render_text_begin,
				      render_text_put_batch,
				      render_text_end_batches };
