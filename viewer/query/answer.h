/* SPDX-License-Identifier: MIT */
/*
 * answer - the rows of a statement as tables of the reports' kind, a batch at a time, so
 * that whoever shows a table shows a query's.
 *
 * A column's type is the one its table declares (an address, bytes, ...); of an
 * expression, the one its values have: whole numbers, numbers, or else text, in which a
 * cell still is a number (struct cell) where its value is one.  Rows in
 * which a column `address` names an object of the newest snapshot that has it are about
 * that object: a screen goes on from there.
 */
#ifndef PYMEM_VIEWER_QUERY_ANSWER_H
#define PYMEM_VIEWER_QUERY_ANSWER_H

#include "viewer/query/engine.h"
#include "viewer/report/report.h"

struct answer {
	struct engine *engine;
	sqlite3_stmt *statement;
	struct column *columns; /* owned; keys are unique */
	size_t ncolumns;
	struct report report; /* made of them: for renderers and screens */
	struct text names;    /* of the columns */
	bool more;	      /* a row is waiting in the statement */
	uint64_t rows;	      /* so far */
};

/*
 * Runs the first statement of sql up to its first row.  *tail_ret as of engine_prepare.
 * 1; 0: there is no statement; -1: engine->problem says why.  Close in any case.
 */
int answer_open(struct answer *a, struct engine *engine, const char *sql,
		const char **tail_ret);
/*
 * Fills table (initialised here; to be freed in any case) with the next rows, at most
 * `most`.  0, or -1 with engine->problem: the rows before are in the table.
 */
int answer_next(struct answer *answer, size_t most, struct table *table);
void answer_close(struct answer *answer);

#endif
