/* SPDX-License-Identifier: MIT */
/* cell - see cell.h. */
#include "viewer/render/cell.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "viewer/text/human.h"

const char *cell_number_human(enum cell_type type, const struct cell *cell,
			      char buf[CELL_TEXT_SIZE])
{
	assert(!cell->unknown);
	switch (type) {
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
	case CELL_ID:
		snprintf(buf, CELL_TEXT_SIZE, "%" PRIu64, cell->u64);
		return buf;
	case CELL_TIME:
		return human_time(buf, cell->u64);
	case CELL_TEXT:
		break;
	}
	return "";
}

const char *cell_human(const struct table *table, size_t row, size_t column,
		       char buf[CELL_TEXT_SIZE])
{
	const struct cell *const cell = table_cell(table, row, column);
	const enum cell_type type = table->columns[column].type;

	assert(row < table->rows && column < table->ncolumns);
	if (cell->unknown)
		return "-";
	return type == CELL_TEXT ? table_text(table, cell) :
				   cell_number_human(type, cell, buf);
}
