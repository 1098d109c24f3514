/* SPDX-License-Identifier: MIT */
/*
 * report - a question put to a heap, and its answer as rows with typed columns.
 *
 * A report is a const ops table in a file of its own; report_all lists them.
 * run() appends rows to a struct table; every renderer (text, JSON, CSV, a
 * screen) shows any table.  Adding a report: write report/NAME.c, add its ops to
 * report_all in report.c, document its columns in pymem-view.1.
 *
 * Text cells hold target text *escaped* by viewer/text/text.h already: printable, valid
 * UTF-8, no control or direction-changing characters.
 */
#ifndef PYMEM_VIEWER_REPORT_REPORT_H
#define PYMEM_VIEWER_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "viewer/analysis/analysis.h"
#include "viewer/model/heap.h"

enum cell_type {
	CELL_TEXT,
	CELL_COUNT,	 /* integer */
	CELL_BYTES,	 /* integer; people see 1.25 MiB */
	CELL_COUNT_DIFF, /* signed; people see +3 */
	CELL_BYTES_DIFF, /* signed */
	CELL_RATIO,	 /* double 0..1; people see 12.3 % */
	CELL_ADDRESS,	 /* people see 0x..., JSON a number */
	CELL_NS,	 /* nanoseconds; people see 1.25 ms */
	CELL_BOOL,
	CELL_INTEGER, /* signed, of a query */
	CELL_REAL,    /* a number of a query, in `ratio` */
	CELL_ID,      /* a number that names something (a process, a line): people see its
		       * digits alone */
	CELL_TIME,    /* nanoseconds since 1970; people see 2026-11-30 12:57:26 (UTC) */
};

struct column {
	const char *key;   /* JSON key and CSV heading, --sort's name: never
				 * changes */
	const char *title; /* for people */
	enum cell_type type;
	bool hidden; /* JSON and CSV only */
};

struct cell {
	bool unknown; /* shown as "-"; JSON null */
	bool number;  /* of a CELL_TEXT: the text is a number, also for JSON */
	union {
		uint64_t u64;
		int64_t i64;
		double ratio;
		size_t text; /* offset in the table's text */
	};
};

/* What a row is about, so that a screen can go on from it. */
struct row_ref {
	uint32_t node; /* HEAP_NONE = no node */
	uint32_t type; /* type id, 0 = no type */
};

struct table {
	const struct column *columns;
	size_t ncolumns;
	struct vec cells; /* struct cell, row by row */
	struct vec refs;  /* struct row_ref per row */
	struct vec text;  /* NUL-terminated texts */
	bool whole;	  /* --all: for people too, no text is cut */
	size_t rows;
	size_t total;	   /* rows there were before filter and limit */
	struct vec notes;  /* offsets (size_t) of texts: sentences for people below
				 * the rows */
	const char *of;	   /* what a table of no one process is, NULL: a query's answer */
	const char *error; /* why there are no rows, or NULL; static or of table_fail */
	char *failure;	   /* of table_fail */
};

/* Where rows go before all of them are there: with many of them not all have to be in
 * memory at once. */
struct report_batch {
	size_t rows; /* so many make a batch */
	/* table->total is what it will be. 0 or -errno: stop. */
	int (*put)(void *arg, const struct table *table);
	void *arg;
};

struct report_params {
	size_t limit;	  /* rows, 0 = the report's own default */
	bool all;	  /* no limit */
	const char *sort; /* column key, NULL = the report's order; "-key" = ascending for
			   * numbers, descending for text */
	const char *filter; /* substring any text cell must hold (ASCII case
				 * ignored), or NULL */
	const char *type;   /* type name, or NULL */
	uint64_t object;    /* address, 0 = none */
	/* NULL: rows stay in the table; else a report that makes them in the order asked
	 * for may put them (table_put_batch). */
	const struct report_batch *batch;
};

struct report_context {
	struct heap *heap;
	struct analysis *analysis; /* NULL unless NEEDS_ANALYSIS */
	struct heap *old;	   /* NULL unless compared */
	struct analysis *old_analysis;
	/* Snapshots of the same process between the two, in order of time; or none. */
	struct analysis *const *between;
	uint32_t between_count;
	const struct progress *progress;
};

enum report_needs {
	NEEDS_ANALYSIS = 1u << 0,
	NEEDS_OLD = 1u << 1,
	NEEDS_NODE = 1u << 2, /* --object or --type */
};

struct report {
	const char *name; /* of --report, and JSON "report" */
	const char *title;
	unsigned needs;	     /* enum report_needs */
	size_t limit;	     /* default number of rows for people, 0 = all */
	size_t limit_data;   /* the same for programs (JSON, CSV), 0 = all */
	bool rows_are_steps; /* --limit counts something larger than rows: run heeds
				 * it alone */
	bool single;	     /* one row: people read it as lines of title and value */
	const struct column *columns;
	size_t ncolumns;
	/* Appends all rows in the report's natural order; filter, sort and limit are
	 * applied by report_run. But a report with very many candidates may use
	 * params->limit and sort to keep only the rows that can be shown; it then sets
	 * table->total. 0, -ENOMEM, -ECANCELED, -ENOENT (table->error says what was not
	 * found). */
	int (*run)(const struct report_context *, const struct report_params *,
		   struct table *);
};

extern const struct report *const report_all[]; /* NULL-terminated */
/* By its name; NULL = none. */
const struct report *report_find(const char *name);

/* run, then filter, sort, limit. table is initialised here; free with table_free in
 * any case. */
int report_run(const struct report *report, const struct report_context *context,
	       const struct report_params *params, struct table *table);

/* Index of a column key, or -1. */
int table_column(const struct table *table, const char *key);
/* The key of the column that has this key or title, in any case of letters; NULL. */
const char *report_column_key(const struct report *report, const char *name);
static inline const struct cell *table_cell(const struct table *t, size_t row,
					    size_t column)
{
	return &VEC(t->cells, struct cell)[row * t->ncolumns + column];
}
static inline const struct row_ref *table_ref(const struct table *t, size_t row)
{
	return &VEC(t->refs, struct row_ref)[row];
}
static inline const char *table_text(const struct table *t, const struct cell *cell)
{
	return VEC(t->text, const char) + cell->text;
}
void table_init(struct table *table, const struct report *report);
void table_free(struct table *table);

/* For reports: one row at a time. Errors are kept in the builder; row_end returns
 * them. */
struct row {
	struct table *table;
	size_t column;
	int err;
};
void row_begin(struct row *row, struct table *table, uint32_t node, uint32_t type);
void row_text(struct row *row, const char *escaped);
void row_number(struct row *row, const char *digits); /* in a TEXT column */
void row_u64(struct row *row, uint64_t value); /* COUNT, BYTES, ADDRESS, NS, BOOL */
void row_i64(struct row *row, int64_t value);  /* the _DIFF types, INTEGER */
void row_ratio(struct row *row, double value); /* RATIO, REAL */
void row_unknown(struct row *row);
int row_end(struct row *row);
/* Sets table->error to a copy; when memory is short, to less. */
void table_fail(struct table *table, const char *error);
/* Puts a full batch of rows (params->batch), which leave the table. total: of the whole
 * report. 0, or put's error. */
int table_put_batch(struct table *table, const struct report_params *params,
		    size_t total);
/* A sentence below the rows. */
int table_note(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
