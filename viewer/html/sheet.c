/* SPDX-License-Identifier: MIT */
/* sheet - rows and cells (sheet.h). */
#include "viewer/html/sheet.h"

#include <inttypes.h>

#include "viewer/html/markup.h"
#include "viewer/name/name.h"
#include "viewer/render/cell.h"
#include "viewer/text/human.h"

enum { CELL_MAX = 300 };

static void sheet_head(struct text *out, const struct table *table)
{
	text_add(out, "<thead><tr>");
	for (size_t c = 0; c < table->ncolumns; c++) {
		if (table->columns[c].hidden)
			continue;
		markup_element(out,
			       table->columns[c].type == CELL_TEXT ? "th" : "th class=n",
			       table->columns[c].title);
	}
	text_add(out, "</tr></thead><tbody>\n");
}

/* The number by which the script sorts. */
static void sheet_number(struct text *out, const struct cell *cell, enum cell_type type)
{
	text_add(out, "<td class=n data-v=\"");
	if (cell->unknown)
		text_add(out, "-1");
	else if (type == CELL_RATIO)
		text_printf(out, "%.6f", cell->ratio);
	else if (type == CELL_COUNT_DIFF || type == CELL_BYTES_DIFF)
		text_printf(out, "%" PRId64, cell->i64);
	else
		text_printf(out, "%" PRIu64, cell->u64);
	text_add(out, "\">");
}

static void sheet_cell(struct text *out, const struct table *table, size_t row, size_t c,
		       const struct card_set *cards)
{
	const struct column *column = &table->columns[c];
	const struct cell *cell = table_cell(table, row, c);
	uint32_t node = table_ref(table, row)->node;
	char buf[CELL_TEXT_SIZE];
	bool card = cards && column->type == CELL_ADDRESS && !cell->unknown &&
		card_set_has(cards, node);
	struct text shown = { 0 };

	if (column->type == CELL_TEXT)
		text_add(out, "<td>");
	else
		sheet_number(out, cell, column->type);
	if (card) {
		text_add(out, "<a href=\"#");
		card_id(out, cards, node);
		text_add(out, "\">");
	}
	name_cut(&shown, cell_human(table, row, c, buf), CELL_MAX);
	markup_add(out, text_get(&shown));
	text_free(&shown);
	text_add(out, card ? "</a></td>" : "</td>");
}

static void sheet_rows(struct text *out, const struct table *table,
		       const struct card_set *cards)
{
	for (size_t r = 0; r < table->rows; r++) {
		text_add(out, "<tr>");
		for (size_t c = 0; c < table->ncolumns; c++)
			if (!table->columns[c].hidden)
				sheet_cell(out, table, r, c, cards);
		text_add(out, "</tr>\n");
	}
}

static void sheet_notes(struct text *out, const struct table *table)
{
	char shown[HUMAN_SIZE], all[HUMAN_SIZE];

	for (size_t i = 0; i < VEC_COUNT(table->notes, size_t); i++)
		markup_element(out, "p class=note",
			       VEC(table->text, const char) +
				       VEC(table->notes, size_t)[i]);
	if (table->total > table->rows)
		text_printf(out, "<p class=note>The largest %s of %s rows.</p>\n",
			    human_count(shown, table->rows),
			    human_count(all, table->total));
}

int sheet_add(struct text *out, const struct report_context *context, const char *name,
	      size_t limit, const struct card_set *cards)
{
	const struct report *report = report_find(name);
	const struct report_params params = { .limit = limit };
	struct table table = { 0 };
	int err = report_run(report, context, &params, &table);

	if (!err && table.rows) {
		text_printf(out, "<section class=sheet id=\"%s%" PRIu32 "\">", name,
			    cards ? cards->process : 0);
		markup_element(out, "h3", report->title);
		text_add(out, "<div class=scroll><table>");
		sheet_head(out, &table);
		sheet_rows(out, &table, cards);
		text_add(out, "</tbody></table></div>\n");
		sheet_notes(out, &table);
		text_add(out, "</section>\n");
	}
	table_free(&table);
	return err ? err : out->err;
}
