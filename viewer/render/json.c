/* SPDX-License-Identifier: MIT */
/*
 * json - tables for programs (render.h has the schema).
 *
 * Text is ASCII-only JSON: everything else as \uXXXX, with surrogate pairs, so
 * that no locale, terminal or chunked reader can spoil it.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "viewer/render/render.h"
#include "viewer/report/escape.h"

static void render_json_put_codepoint(FILE *out, int32_t c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", c);
	else if (c >= 0x20 && c < 0x7f)
		fputc(c, out);
	else if (c < 0x10000)
		fprintf(out, "\\u%04x", (unsigned)c);
	else
		fprintf(out, "\\u%04x\\u%04x", 0xd800u + ((unsigned)(c - 0x10000) >> 10),
			0xdc00u + ((unsigned)(c - 0x10000) & 0x3ff));
}

static void render_json_put_string(FILE *out, const char *text)
{
	size_t size = strlen(text), len;

	fputc('"', out);
	for (size_t at = 0; at < size; at += len) {
		int32_t c = utf8_decode(text + at, size - at, &len);

		render_json_put_codepoint(out, c < 0 ? 0xfffd : c);
	}
	fputc('"', out);
}

static void render_json_put_cell(FILE *out, const struct table *table, size_t row,
				 size_t column)
{
	const struct cell *cell = table_cell(table, row, column);

	if (cell->unknown) {
		fputs("null", out);
		return;
	}
	switch (table->columns[column].type) {
	case CELL_TEXT:
		render_json_put_string(out, table_text(table, cell));
		break;
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
		fprintf(out, "%" PRId64, cell->i64);
		break;
	case CELL_RATIO:
		fprintf(out, "%.6f", isfinite(cell->ratio) ? cell->ratio : 0);
		break;
	case CELL_BOOL:
		fputs(cell->u64 ? "true" : "false", out);
		break;
	default:
		fprintf(out, "%" PRIu64, cell->u64);
	}
}

static void render_json_begin(FILE *out, const struct report *report)
{
	fprintf(out, "{\"schema\":1,\"report\":\"%s\",\"processes\":[", report->name);
}

static void render_json_put_process(FILE *out, const struct process *process)
{
	struct text text = { 0 };
	size_t size = 0;
	const char *version = heap_fact_text(process->heap, "python.version", &size);

	fprintf(out, "{\"pid\":%" PRIu64 ",\"python\":", process_pid(process));
	if (version) {
		text_escape(&text, version, size, 100, 0);
		render_json_put_string(out, text_str(&text));
		text_clear(&text);
	} else {
		fputs("null", out);
	}
	fputs(",\"file\":", out);
	text_escape(&text, process->file, strlen(process->file), 0, 0);
	render_json_put_string(out, text_str(&text));
	text_free(&text);
	fprintf(out, ",\"complete\":%s", process->heap->complete ? "true" : "false");
	if (process->problem[0]) {
		fputs(",\"problem\":", out);
		render_json_put_string(out, process->problem);
	}
}

static void render_json_put_table(FILE *out, const struct report *report,
				  const struct process *process, unsigned index,
				  const struct table *table)
{
	(void)report;
	fputs(index ? ",\n" : "\n", out);
	render_json_put_process(out, process);
	if (process->old)
		fprintf(out, ",\"compared_with\":%" PRIu64, process_pid(process->old));
	if (table->error) {
		fputs(",\"error\":", out);
		render_json_put_string(out, table->error);
	}
	fprintf(out, ",\"total\":%zu,\"notes\":[", table->total);
	for (size_t i = 0; i < VEC_COUNT(table->notes, size_t); i++) {
		fputs(i ? "," : "", out);
		render_json_put_string(
			out, VEC(table->text, const char) + VEC(table->notes, size_t)[i]);
	}
	fputs("],\"rows\":[", out);
	for (size_t r = 0; r < table->rows; r++) {
		fputs(r ? ",\n {" : "\n {", out);
		for (size_t c = 0; c < table->ncolumns; c++) {
			fprintf(out, "%s\"%s\":", c ? "," : "", table->columns[c].key);
			render_json_put_cell(out, table, r, c);
		}
		fputc('}', out);
	}
	fputs("]}", out);
}

static void render_json_end(FILE *out, const struct report *report)
{
	(void)report;
	fputs("]}\n", out);
}

const struct renderer render_json = { "json", render_json_begin, render_json_put_table,
				      render_json_end };
