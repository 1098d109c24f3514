/* SPDX-License-Identifier: MIT */
/* table - rows with typed columns: building, filtering, sorting (report.h). */
#include "viewer/report/table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void table_init(struct table *table, const struct report *report)
{
	assert(report->ncolumns > 0);
	memset(table, 0, sizeof(*table));
	table->columns = report->columns;
	table->ncolumns = report->ncolumns;
}

void table_free(struct table *table)
{
	vec_free(&table->cells);
	vec_free(&table->refs);
	vec_free(&table->text);
	vec_free(&table->notes);
	free(table->failure);
	table->failure = NULL;
	table->rows = 0;
}

int table_column(const struct table *table, const char *key)
{
	for (size_t c = 0; c < table->ncolumns; c++)
		if (!strcmp(table->columns[c].key, key))
			return (int)c;
	return -1;
}

/* ---- building ---- */

void row_begin(struct row *row, struct table *table, uint32_t node, uint32_t type)
{
	struct row_ref ref = { node, type };

	*row = (struct row){ .table = table };
	row->err = vec_append(&table->refs, &ref, sizeof(ref));
}

static void table_add_cell(struct row *row, struct cell cell)
{
	assert(row->column < row->table->ncolumns);
	if (!row->err)
		row->err = vec_append(&row->table->cells, &cell, sizeof(cell));
	row->column++;
}

static void table_put_text(struct row *row, const char *escaped, bool number)
{
	struct cell cell = { .number = number, .text = row->table->text.size };

	if (!row->err)
		row->err = vec_append(&row->table->text, escaped, strlen(escaped) + 1);
	table_add_cell(row, cell);
}

void row_text(struct row *row, const char *escaped)
{
	table_put_text(row, escaped, false);
}

void row_number(struct row *row, const char *digits)
{
	table_put_text(row, digits, true);
}

void row_u64(struct row *row, uint64_t value)
{
	struct cell cell = { .u64 = value };

	table_add_cell(row, cell);
}

void row_i64(struct row *row, int64_t value)
{
	struct cell cell = { .i64 = value };

	table_add_cell(row, cell);
}

void row_ratio(struct row *row, double value)
{
	struct cell cell = { .ratio = value };

	table_add_cell(row, cell);
}

void row_unknown(struct row *row)
{
	struct cell cell = { .unknown = true };

	assert(row->column < row->table->ncolumns);
	if (row->table->columns[row->column].type == CELL_TEXT)
		cell.text = 0;
	table_add_cell(row, cell);
}

int row_end(struct row *row)
{
	assert(row->err || row->column == row->table->ncolumns);
	if (!row->err) {
		row->table->rows++;
		row->table->total++;
	}
	return row->err;
}

int table_put_batch(struct table *table, const struct report_params *params, size_t total)
{
	const struct report_batch *const batch = params->batch;
	int err;

	if (!batch || table->rows < batch->rows || table->notes.size)
		return 0;
	table->total = total;
	err = batch->put(batch->arg, table);
	table->cells.size = table->refs.size = table->text.size = 0;
	table->rows = 0;
	return err;
}

void table_fail(struct table *table, const char *error)
{
	free(table->failure);
	table->failure = strdup(error);
	table->error = table->failure ? table->failure : "not found";
}

int table_note(struct table *table, const char *format, ...)
{
	size_t at = table->text.size;
	char *note = NULL;
	va_list args;
	int n, err;

	va_start(args, format);
	n = vasprintf(&note, format, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	err = vec_append(&table->text, note, (size_t)n + 1);
	free(note);
	return err ? err : vec_append(&table->notes, &at, sizeof(at));
}

/* ---- filter, sort, limit: on an order of row numbers, then moved ---- */

struct order {
	const struct table *table;
	size_t column;
	int sign;
};

static int table_compare_cells(const struct order *o, const struct cell *x,
			       const struct cell *y)
{
	int by;

	if (x->unknown || y->unknown)
		return (int)x->unknown - (int)y->unknown;
	switch (o->table->columns[o->column].type) {
	case CELL_TEXT:
		by = strcmp(table_text(o->table, x), table_text(o->table, y));
		return o->sign * ((by > 0) - (by < 0));
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
	case CELL_INTEGER:
		return o->sign * (x->i64 > y->i64 ? -1 : x->i64 < y->i64);
	case CELL_RATIO:
	case CELL_REAL:
		return o->sign * (x->ratio > y->ratio ? -1 : x->ratio < y->ratio);
	default:
		return o->sign * (x->u64 > y->u64 ? -1 : x->u64 < y->u64);
	}
}

static int table_compare_rows(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int c = table_compare_cells(o, table_cell(o->table, x, o->column),
				    table_cell(o->table, y, o->column));

	return c ? c : (x < y ? -1 : x > y);
}

static bool table_contains(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

static bool table_matches(const struct table *table, size_t row, const char *filter)
{
	for (size_t c = 0; c < table->ncolumns; c++) {
		const struct cell *cell = table_cell(table, row, c);

		if (table->columns[c].type == CELL_TEXT && !cell->unknown &&
		    table_contains(table_text(table, cell), filter))
			return true;
	}
	return false;
}

/* Rows in the given order become the table's rows. */
static int table_reorder(struct table *table, const size_t *order, size_t count)
{
	struct vec cells = { 0 }, refs = { 0 };
	size_t width = table->ncolumns * sizeof(struct cell);

	assert(count <= table->rows);
	for (size_t i = 0; i < count; i++) {
		if (vec_append(&cells, table_cell(table, order[i], 0), width) ||
		    vec_append(&refs, table_ref(table, order[i]),
			       sizeof(struct row_ref))) {
			vec_free(&cells);
			vec_free(&refs);
			return -ENOMEM;
		}
	}
	vec_move(&table->cells, &cells);
	vec_move(&table->refs, &refs);
	table->rows = count;
	return 0;
}

int table_arrange(struct table *table, const struct report_params *params, size_t limit)
{
	struct vec order = { 0 };
	size_t count = 0;
	int err = 0;

	for (size_t r = 0; r < table->rows && !err; r++)
		if (!params->filter || table_matches(table, r, params->filter))
			err = vec_append(&order, &r, sizeof(r));
	count = VEC_COUNT(order, size_t);
	if (params->filter)
		table->total = count;
	if (!err && params->sort) {
		bool reverse = params->sort[0] == '-';
		int column = table_column(table, params->sort + reverse);
		struct order o = { table, column < 0 ? 0 : (size_t)column,
				   reverse ? -1 : 1 };

		if (column >= 0 && count)
			qsort_r(order.data, count, sizeof(size_t), table_compare_rows,
				&o);
	}
	if (limit && count > limit)
		count = limit;
	if (!err)
		err = table_reorder(table, order.data, count);
	vec_free(&order);
	return err;
}
