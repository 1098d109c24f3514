/* SPDX-License-Identifier: MIT */
/* render - the list of renderers, and cells as people read them (render.h). */
#include "viewer/render/render.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "viewer/text/human.h"

const struct renderer *renderer_find(const char *name)
{
	static const struct renderer *const all[] = { &render_text, &render_json,
						      &render_csv };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}

const char *cell_human(const struct table *table, size_t row, size_t column,
		       char buf[CELL_TEXT_SIZE])
{
	const struct cell *cell = table_cell(table, row, column);

	assert(row < table->rows && column < table->ncolumns);
	if (cell->unknown)
		return "-";
	switch (table->columns[column].type) {
	case CELL_TEXT:
		return table_text(table, cell);
	case CELL_COUNT:
		return human_count(buf, cell->u64);
	case CELL_BYTES:
		return human_bytes_u64(buf, cell->u64);
	case CELL_COUNT_DIFF:
		return human_count_diff(buf, cell->i64);
	case CELL_BYTES_DIFF:
		return human_bytes_diff(buf, cell->i64);
	case CELL_RATIO:
		/* not quite all is not all */
		human_share(buf, cell->ratio);
		return buf;
	case CELL_ADDRESS:
		snprintf(buf, CELL_TEXT_SIZE, "0x%" PRIx64, cell->u64);
		return buf;
	case CELL_NS:
		return human_ns(buf, cell->u64);
	case CELL_BOOL:
		return cell->u64 ? "yes" : "no";
	case CELL_INTEGER:
		return human_integer(buf, cell->i64);
	case CELL_REAL:
		snprintf(buf, CELL_TEXT_SIZE, "%.6g", cell->ratio);
		return buf;
	}
	return "";
}
