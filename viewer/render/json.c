/* SPDX-License-Identifier: MIT */
/*
 * json - tables for programs (render.h has the schema).
 *
 * Text is ASCII-only JSON: everything else as \uXXXX, with surrogate pairs, so
 * that no locale, terminal or chunked reader can spoil it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/render/render.h"
#include "formats/text/print.h"
#include "viewer/text/text.h"

static void render_json_put_string(FILE *out, const char *text)
{
	print_json(out, text, strlen(text));
}

/* JSON has no infinite number. */
static void render_json_put_text(FILE *out, const char *text, bool number)
{
	if (!number)
		render_json_put_string(out, text);
	else
		print_format(out, "%s", isfinite(strtod(text, NULL)) ? text : "null");
}

static void render_json_put_cell(FILE *out, const struct table *table, size_t row,
				 size_t column)
{
	const struct cell *cell = table_cell(table, row, column);

	if (cell->unknown) {
		print_lines(out, "null");
		return;
	}
	switch (table->columns[column].type) {
	case CELL_TEXT:
		render_json_put_text(out, table_text(table, cell), cell->number);
		break;
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
	case CELL_INTEGER:
		print_format(out, "%" PRId64, cell->i64);
		break;
	case CELL_RATIO:
		print_format(out, "%.6f", isfinite(cell->ratio) ? cell->ratio : 0);
		break;
	case CELL_REAL:
		if (isfinite(cell->ratio))
			print_format(out, "%.17g", cell->ratio);
		else
			print_lines(out, "null");
		break;
	case CELL_BOOL:
		print_lines(out, cell->u64 ? "true" : "false");
		break;
	default:
		print_format(out, "%" PRIu64, cell->u64);
	}
}

static void render_json_begin(FILE *out, const struct report *report)
{
	print_format(out, "{\"schema\":1,\"report\":\"%s\",\"processes\":[",
		     report->name);
}

static void render_json_put_process(FILE *out, const struct process *process)
{
	struct text text = { 0 };
	size_t size = 0;
	const char *version = heap_fact_text(process->heap, "python.version", &size);

	print_format(out, "{\"pid\":%" PRIu64 ",\"python\":", process_pid(process));
	if (version) {
		text_escape(&text, version, size, 100, 0);
		render_json_put_string(out, text_get(&text));
		text_clear(&text);
	} else {
		print_lines(out, "null");
	}
	print_lines(out, ",\"file\":");
	text_escape(&text, process->file, strlen(process->file), 0, 0);
	render_json_put_string(out, text_get(&text));
	text_free(&text);
	print_format(out, ",\"complete\":%s", process->heap->complete ? "true" : "false");
	if (process->problem[0]) {
		print_lines(out, ",\"problem\":");
		render_json_put_string(out, process->problem);
	}
}

static void render_json_put_row(FILE *out, const struct table *table, size_t r)
{
	for (size_t c = 0; c < table->ncolumns; c++) {
		print_lines(out, c ? "," : "");
		render_json_put_string(out, table->columns[c].key);
		print_lines(out, ":");
		render_json_put_cell(out, table, r, c);
	}
	print_lines(out, "}");
}

static void render_json_head(FILE *out, const struct report *report,
			     const struct process *process, unsigned index,
			     const struct table *table)
{
	(void)report;
	print_lines(out, index ? ",\n" : "\n");
	render_json_put_process(out, process);
	if (process->old)
		print_format(out, ",\"compared_with\":%" PRIu64,
			     process_pid(process->old));
	if (table->error) {
		print_lines(out, ",\"error\":");
		render_json_put_string(out, table->error);
	}
	print_format(out, ",\"total\":%zu,\"notes\":[", table->total);
	for (size_t i = 0; i < VEC_COUNT(table->notes, size_t); i++) {
		print_lines(out, i ? "," : "");
		render_json_put_string(
			out, VEC(table->text, const char) + VEC(table->notes, size_t)[i]);
	}
	print_lines(out, "],\"rows\":[");
}

static void render_json_body(FILE *out, const struct report *report,
			     const struct table *table, uint64_t before)
{
	(void)report;
	for (size_t r = 0; r < table->rows; r++) {
		print_lines(out, before || r ? ",\n {" : "\n {");
		render_json_put_row(out, table, r);
	}
}

static void render_json_tail(FILE *out, const struct report *report,
			     const struct table *table, uint64_t rows)
{
	(void)report, (void)table, (void)rows;
	print_lines(out, "]}");
}

static void render_json_end(FILE *out, const struct report *report)
{
	(void)report;
	print_lines(out, "]}\n");
}

static void render_json_put_batch(FILE *out, const struct table *table, uint64_t before,
				  const char *problem)
{
	if (!before) {
		print_format(out, "{\"schema\":1,\"report\":\"%s\",\"complete\":%s",
			     table->of ? table->of : "sql",
			     problem[0] ? "false" : "true");
		if (problem[0]) {
			print_lines(out, ",\"problem\":");
			render_json_put_string(out, problem);
		}
		print_lines(out, ",\"rows\":[");
	}
	for (size_t r = 0; r < table->rows; r++) {
		print_lines(out, before || r ? ",\n {" : "\n {");
		render_json_put_row(out, table, r);
	}
}

static void render_json_end_batches(FILE *out, uint64_t rows)
{
	print_format(out, "],\"total\":%" PRIu64 "}\n", rows);
}

const struct renderer render_json = { "json",
				      render_json_begin,
				      render_json_head,
				      render_json_body,
				      render_json_tail,
				      render_json_end,
				      render_json_put_batch,
				      render_json_end_batches };
