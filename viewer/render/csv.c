/* SPDX-License-Identifier: MIT */
/*
 * csv - tables for spreadsheets (RFC 4180, LF line ends).
 *
 * The first column is the pid.  A text that a spreadsheet would take for a
 * formula (it begins with = + - @ or a tab) gets a ' in front.
 */
#include <inttypes.h>
#include <string.h>

#include "viewer/render/render.h"

#include "formats/text/print.h"

static void render_csv_put_text(FILE *out, const char *text)
{
	bool formula = text[0] && strchr("=+-@\t\r", text[0]);
	bool quote = formula || strpbrk(text, ",\"\n\r;") || text[0] == ' ';

	if (!quote) {
		print_format(out, "%s", text);
		return;
	}
	print_lines(out, formula ? "\"'" : "\"");
	for (size_t n; *text; text += n) {
		n = *text == '"' ? 1 : strcspn(text, "\"");
		print_format(out, *text == '"' ? "%.*s\"" : "%.*s", (int)n, text);
	}
	print_lines(out, "\"");
}

static void render_csv_put_cell(FILE *out, const struct table *table, size_t row,
				size_t column)
{
	const struct cell *cell = table_cell(table, row, column);

	if (cell->unknown)
		return;
	switch (table->columns[column].type) {
	case CELL_TEXT:
		if (cell->number)
			print_format(out, "%s", table_text(table, cell));
		else
			render_csv_put_text(out, table_text(table, cell));
		break;
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
	case CELL_INTEGER:
		print_format(out, "%" PRId64, cell->i64);
		break;
	case CELL_RATIO:
		print_format(out, "%.6f", cell->ratio);
		break;
	case CELL_REAL:
		print_format(out, "%.17g", cell->ratio);
		break;
	default:
		print_format(out, "%" PRIu64, cell->u64);
	}
}

static void render_csv_begin(FILE *out, const struct report *report)
{
	/* the overview has a pid column of its own */
	print_lines(out, "process");
	for (size_t c = 0; c < report->ncolumns; c++)
		print_format(out, ",%s", report->columns[c].key);
	print_lines(out, "\n");
}

/* The process of a table whose rows come. */
static uint64_t render_csv_pid;

static void render_csv_head(FILE *out, const struct report *report,
			    const struct process *process, unsigned index,
			    const struct table *table)
{
	(void)out, (void)report, (void)index, (void)table;
	render_csv_pid = process_pid(process);
}

static void render_csv_body(FILE *out, const struct report *report,
			    const struct table *table, uint64_t before)
{
	(void)report, (void)before;
	for (size_t r = 0; r < table->rows; r++) {
		print_format(out, "%" PRIu64, render_csv_pid);
		for (size_t c = 0; c < table->ncolumns; c++) {
			print_lines(out, ",");
			render_csv_put_cell(out, table, r, c);
		}
		print_lines(out, "\n");
	}
}

static void render_csv_tail(FILE *out, const struct report *report,
			    const struct table *table, uint64_t rows)
{
	(void)out, (void)report, (void)table, (void)rows;
}

static void render_csv_end(FILE *out, const struct report *report)
{
	(void)out;
	(void)report;
}

/* Whether the snapshot is whole is told on standard error only. */
static void render_csv_put_batch(FILE *out, const struct table *table, uint64_t before,
				 const char *problem)
{
	(void)problem;
	for (size_t c = 0; c < table->ncolumns && !before; c++) {
		print_lines(out, c ? "," : "");
		render_csv_put_text(out, table->columns[c].key);
	}
	if (!before)
		print_lines(out, "\n");
	for (size_t r = 0; r < table->rows; r++) {
		for (size_t c = 0; c < table->ncolumns; c++) {
			print_lines(out, c ? "," : "");
			render_csv_put_cell(out, table, r, c);
		}
		print_lines(out, "\n");
	}
}

static void render_csv_end_batches(FILE *out, uint64_t rows)
{
	(void)out;
	(void)rows;
}

const struct renderer render_csv = {
	"csv",		 render_csv_begin, render_csv_head,	 render_csv_body,
	render_csv_tail, render_csv_end,   render_csv_put_batch, render_csv_end_batches
};
