/* SPDX-License-Identifier: MIT */
/* answer - a statement's rows as tables (answer.h). */
#include "viewer/query/answer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "formats/text/escape.h"

/* ---- columns ---- */

static enum cell_type answer_declared(const char *type, int value)
{
	static const struct {
		const char *name;
		enum cell_type type;
	} types[] = {
		{ "ADDRESS", CELL_ADDRESS },
		{ "BYTES", CELL_BYTES },
		{ "RATIO", CELL_RATIO },
		{ "NS", CELL_NS },
		{ "ID", CELL_ID },
		{ "TIME", CELL_TIME },
		{ "BOOLEAN", CELL_BOOL },
		{ "INTEGER", CELL_INTEGER },
		{ "TEXT", CELL_TEXT },
		{ "BYTES_DIFF", CELL_BYTES_DIFF },
		{ "INTEGER_DIFF", CELL_COUNT_DIFF },
	};

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(types[i].name, type))
			return types[i].type;
	return value == SQLITE_INTEGER ? CELL_INTEGER :
		value == SQLITE_FLOAT  ? CELL_REAL :
					 CELL_TEXT;
}

/* A name for the column that no column before it has. */
static int answer_name(struct answer *a, size_t column, size_t *ret)
{
	const char *name = sqlite3_column_name(a->statement, (int)column);
	struct text one = { 0 };
	size_t same = 1;
	int err;

	if (!name)
		return -1;
	for (size_t c = 0; c < column; c++)
		same += !strcasecmp(sqlite3_column_name(a->statement, (int)c), name);
	text_escape(&one, name, strlen(name), 100, 0);
	if (same > 1)
		text_printf(&one, "_%zu", same);
	*ret = a->names.buf.size;
	err = vec_append(&a->names.buf, text_get(&one), strlen(text_get(&one)) + 1);
	err |= one.err;
	text_free(&one);
	return err ? -1 : 0;
}

static int answer_make_columns(struct answer *a)
{
	a->ncolumns = (size_t)sqlite3_column_count(a->statement);
	a->columns = calloc(a->ncolumns + 1, sizeof(*a->columns));
	size_t *at = calloc(a->ncolumns + 1, sizeof(*at));
	int err = a->columns && at ? 0 : -1;

	for (size_t c = 0; c < a->ncolumns && !err; c++) {
		a->columns[c].type = answer_declared(
			sqlite3_column_decltype(a->statement, (int)c),
			a->more ? sqlite3_column_type(a->statement, (int)c) :
				  SQLITE_NULL);
		err = answer_name(a, c, &at[c]);
	}
	for (size_t c = 0; c < a->ncolumns && !err; c++)
		a->columns[c].key = a->columns[c].title =
			VEC(a->names.buf, const char) + at[c];
	free(at);
	a->report = (struct report){ .name = "sql",
				     .title = "Query",
				     .columns = a->columns,
				     .ncolumns = a->ncolumns };
	if (err)
		snprintf(a->engine->problem, sizeof(a->engine->problem), "out of memory");
	return err;
}

int answer_open(struct answer *a, struct engine *engine, const char *sql,
		const char **tail_ret)
{
	*a = (struct answer){ .engine = engine };
	if (engine_prepare(engine, sql, tail_ret, &a->statement))
		return -1;
	if (!a->statement)
		return 0;
	const int rc = engine_step(engine, a->statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return -1;
	a->more = rc == SQLITE_ROW;
	return answer_make_columns(a) ? -1 : 1;
}

void answer_close(struct answer *a)
{
	sqlite3_finalize(a->statement);
	free(a->columns);
	text_free(&a->names);
	*a = (struct answer){ .engine = a->engine };
}

/* ---- rows ---- */

enum { NUMBER_SIZE = 40, EXACT = 53 /* bits of a double */ };

/* So that it is read as the same number. */
static void answer_real(char buf[NUMBER_SIZE], double value)
{
	snprintf(buf, NUMBER_SIZE, "%.15g", value);
	if (strtod(buf, NULL) != value)
		snprintf(buf, NUMBER_SIZE, "%.17g", value);
}

/* What SQLite gives as text, printable. */
static void answer_put_text(struct answer *a, struct row *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(a->statement, column);
	const int size = sqlite3_column_bytes(a->statement, column);
	char small[512], *buf = small;
	const size_t capacity = (size_t)size * (ESCAPE_MAX - 1) + 1;

	if (capacity > sizeof(small))
		buf = malloc(capacity);
	if (!text || !buf)
		row->err = -ENOMEM;
	else
		row_text(row, escape_copy(buf, capacity, text, (size_t)size));
	if (buf != small)
		free(buf);
}

/* A number in a column of texts stays one for programs. */
static void answer_put_plain(struct answer *a, struct row *row, int column)
{
	char buf[NUMBER_SIZE];

	switch (sqlite3_column_type(a->statement, column)) {
	case SQLITE_INTEGER:
		snprintf(buf, sizeof(buf), "%lld",
			 (long long)sqlite3_column_int64(a->statement, column));
		row_number(row, buf);
		break;
	case SQLITE_FLOAT:
		answer_real(buf, sqlite3_column_double(a->statement, column));
		row_number(row, buf);
		break;
	default:
		answer_put_text(a, row, column);
	}
}

static bool answer_is_exact(int64_t value)
{
	return value <= INT64_C(1) << EXACT && value >= -(INT64_C(1) << EXACT);
}

/* The column's type gives way where a value is of another. */
static bool answer_fits(struct answer *a, size_t column, int value)
{
	switch (a->columns[column].type) {
	case CELL_TEXT:
		return true;
	case CELL_RATIO:
	case CELL_REAL:
		return value == SQLITE_FLOAT ||
			(value == SQLITE_INTEGER &&
			 answer_is_exact(
				 sqlite3_column_int64(a->statement, (int)column)));
	default:
		return value == SQLITE_INTEGER;
	}
}

static void answer_put_cell(struct answer *a, struct row *row, int column)
{
	const enum cell_type type = a->columns[column].type;
	const int value = sqlite3_column_type(a->statement, column);

	if (value == SQLITE_NULL) {
		row_unknown(row);
		return;
	}
	assert(answer_fits(a, (size_t)column, value));
	switch (type) {
	case CELL_TEXT:
		answer_put_plain(a, row, column);
		break;
	case CELL_RATIO:
	case CELL_REAL:
		row_ratio(row, sqlite3_column_double(a->statement, column));
		break;
	case CELL_INTEGER:
	case CELL_COUNT_DIFF:
	case CELL_BYTES_DIFF:
		row_i64(row, sqlite3_column_int64(a->statement, column));
		break;
	default:
		row_u64(row, (uint64_t)sqlite3_column_int64(a->statement, column));
	}
}

/* The object that a row is about, in the newest snapshot that has it. */
static uint32_t answer_node(const struct answer *a)
{
	const struct catalog *catalog = &a->engine->catalog;

	for (size_t c = 0; c < a->ncolumns; c++) {
		if (a->columns[c].type != CELL_ADDRESS || !catalog->count ||
		    sqlite3_column_type(a->statement, (int)c) == SQLITE_NULL)
			continue;
		return heap_find(catalog->snapshot[catalog->count - 1].heap,
				 (uint64_t)sqlite3_column_int64(a->statement, (int)c));
	}
	return HEAP_NONE;
}

/* A column whose type was taken from its first value has one of another type: it becomes
 * text, and so do the table's cells. */
static int answer_widen(struct answer *a, struct table *table, size_t column)
{
	char buf[NUMBER_SIZE];

	for (size_t r = 0; r < table->rows; r++) {
		struct cell *cell =
			&VEC(table->cells, struct cell)[r * table->ncolumns + column];

		if (cell->unknown)
			continue;
		if (a->columns[column].type == CELL_REAL ||
		    a->columns[column].type == CELL_RATIO)
			answer_real(buf, cell->ratio);
		else
			snprintf(buf, sizeof(buf), "%lld", (long long)cell->i64);
		const size_t at = table->text.size;
		if (vec_append(&table->text, buf, strlen(buf) + 1))
			return -1;
		cell->text = at;
		cell->number = true;
	}
	a->columns[column].type = CELL_TEXT;
	return 0;
}

/* Whole numbers before the first fraction; false: one of them can't be told so. */
static bool answer_to_real(struct answer *a, struct table *table, size_t column)
{
	struct cell *const cell = VEC(table->cells, struct cell) + column;

	for (size_t r = 0; r < table->rows; r++)
		if (!cell[r * table->ncolumns].unknown &&
		    !answer_is_exact(cell[r * table->ncolumns].i64))
			return false;
	for (size_t r = 0; r < table->rows; r++)
		cell[r * table->ncolumns].ratio = (double)cell[r * table->ncolumns].i64;
	a->columns[column].type = CELL_REAL;
	return true;
}

static int answer_fit_columns(struct answer *a, struct table *table)
{
	for (size_t c = 0; c < a->ncolumns; c++) {
		const int value = sqlite3_column_type(a->statement, (int)c);

		if (value == SQLITE_NULL || answer_fits(a, c, value))
			continue;
		if (value == SQLITE_FLOAT && a->columns[c].type == CELL_INTEGER &&
		    answer_to_real(a, table, c))
			continue;
		if (answer_widen(a, table, c))
			return -1;
	}
	return 0;
}

int answer_next(struct answer *a, size_t most, struct table *table)
{
	table_init(table, &a->report);
	while (a->more && table->rows < most) {
		struct row row;

		if (answer_fit_columns(a, table))
			return -1;
		row_begin(&row, table, answer_node(a), 0);
		for (size_t c = 0; c < a->ncolumns; c++)
			answer_put_cell(a, &row, (int)c);
		if (row_end(&row)) {
			snprintf(a->engine->problem, sizeof(a->engine->problem),
				 "out of memory");
			return -1;
		}
		a->rows++;
		const int rc = engine_step(a->engine, a->statement);
		a->more = rc == SQLITE_ROW;
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			return -1;
	}
	return 0;
}
