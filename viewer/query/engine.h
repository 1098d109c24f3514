/* SPDX-License-Identifier: MIT */
/*
 * engine - SQL over the processes of a workspace: an SQLite connection that holds no
 * data of its own (relation.h), and can neither read nor write anything else.
 *
 * The connection is in memory (not by SQLITE_OPEN_MEMORY: what dump.h attaches would be,
 * too); once its views are made, an authorizer allows nothing but
 * reading and calling functions: no ATTACH, no PRAGMA, no extension, no table of one's
 * own.  A progress handler ends a query at a deadline, or when the caller wants it to;
 * SQLite's memory is limited.  Snapshots are numbered by the time they were taken.
 *
 * Not for concurrent use; one engine at a time has the memory limit, which is SQLite's.
 */
#ifndef PYMEM_VIEWER_QUERY_ENGINE_H
#define PYMEM_VIEWER_QUERY_ENGINE_H

#include "viewer/query/relation.h"

#define ENGINE_SCHEMA 2 /* of tables and columns: a number for other programs */

struct engine_options {
	uint64_t timeout_ns;		 /* of one statement; 0: none */
	uint64_t memory;		 /* bytes for SQLite; 0: ENGINE_MEMORY */
	const struct progress *progress; /* asked whether to stop; NULL: never */
	bool no_values;	      /* columns that tell what objects hold are NULL */
	struct process *only; /* this one and what it is compared with; NULL: all */
};

#define ENGINE_MEMORY (256ull << 20)

struct engine {
	sqlite3 *db;
	struct catalog catalog;
	struct engine_options options;
	const char *text; /* that statements are taken from, so that a column is
			   * counted from its begin; NULL: from the statement's */
	/* Where text was made out of something that somebody wrote: that, and for each
	 * byte of text the place in it that the byte is for.  Else NULL. */
	const char *wrote;
	const uint32_t *origin;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	bool timed_out;
	bool refused;	   /* the last statement, though SQLite would run it */
	bool open;	   /* views are made: only reading is allowed */
	char problem[600]; /* of the last failure: one printable sentence */
};

/*
 * Analyses all processes of the workspace and makes them tables.  0, or -1 with
 * e->problem; free with engine_close in any case.  The workspace must outlive it.
 */
int engine_open(struct engine *e, struct workspace *workspace,
		const struct engine_options *options);
void engine_close(struct engine *engine);

/*
 * Prepares the first statement of sql and starts its clock.  *tail_ret: what follows it.
 * *ret NULL with 0: there was no statement, only spaces or comments.  -1 with
 * engine->problem, which says where.
 */
int engine_prepare(struct engine *engine, const char *sql, const char **tail_ret,
		   sqlite3_stmt **ret);
/* Whether tail, what follows a statement, has more than spaces, comments and ';'. */
bool engine_has_more(const struct engine *engine, const char *tail);
/* SQLITE_ROW, SQLITE_DONE, or another code with engine->problem. */
int engine_step(struct engine *engine, sqlite3_stmt *statement);
/* Whether the last failure is the query's own fault, rather than a limit's. */
bool engine_was_wrong(const struct engine *engine);
/* A sentence about the first snapshot that isn't whole; "" when all are. */
const char *engine_incomplete(const struct engine *engine);

#endif
