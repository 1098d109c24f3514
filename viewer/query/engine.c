/* SPDX-License-Identifier: MIT */
/* engine - the connection: what it may do, and when it stops (engine.h). */
#include "viewer/query/engine.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/text/escape.h"
#include "viewer/query/relations.h"
#include "viewer/text/human.h"

enum {
	STEPS = 200,	      /* of SQLite's machine between two looks at the clock */
	LENGTH_MAX = 1 << 20, /* of a text: nothing stops one call of instr() */
	SQL_MAX = 1 << 20,
	DEPTH_MAX = 200
};

static uint64_t engine_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- stopping ---- */

static bool engine_stops(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct engine *e = arg;

	if (e->deadline_ns && engine_now_ns() > e->deadline_ns)
		e->timed_out = true;
	return e->timed_out ||
		progress_step(e->options.progress, phase, done, total) != 0;
}

static int engine_on_progress(void *arg)
{
	return engine_stops(arg, "query", 0, 0);
}

/* ---- what is allowed ---- */

static const char engine_may_only_read[] = "a query may only read: SELECT, WITH, EXPLAIN";

/* Functions that aren't about data: one loads code, one tells addresses of our own. */
static bool engine_forbids(const char *function)
{
	static const char *const forbidden[] = { "load_extension", "fts3_tokenizer" };

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (!strcmp(function, forbidden[i]))
			return true;
	return false;
}

static int engine_authorize(void *arg, int action, const char *a, const char *b,
			    const char *database, const char *view)
{
	const struct engine *e = arg;

	(void)a;
	(void)database;
	(void)view;
	if (!e->open)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_READ:
		return e->options.no_values && b && !strcmp(b, "value") ? SQLITE_IGNORE :
									  SQLITE_OK;
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b && engine_forbids(b) ? SQLITE_DENY : SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

static void engine_limit(struct engine *e)
{
	static const struct {
		int what, most;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, LENGTH_MAX },
		{ SQLITE_LIMIT_SQL_LENGTH, SQL_MAX },
		{ SQLITE_LIMIT_EXPR_DEPTH, DEPTH_MAX },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		sqlite3_limit(e->db, limits[i].what, limits[i].most);
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(e->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_hard_heap_limit64(
		(sqlite3_int64)(e->options.memory ? e->options.memory : ENGINE_MEMORY));
	sqlite3_progress_handler(e->db, STEPS, engine_on_progress, e);
	sqlite3_set_authorizer(e->db, engine_authorize, e);
}

/* ---- functions of ours ---- */

/* human(BYTES): '1.25 MiB' */
static void engine_human(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	char buf[HUMAN_SIZE];

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_NULL)
		sqlite3_result_text(context,
				    human_bytes(buf, sqlite3_value_int64(argv[0])), -1,
				    SQLITE_TRANSIENT);
}

/* address(NUMBER): '0x7f...' */
static void engine_address(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	char buf[24];

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	snprintf(buf, sizeof(buf), "0x%llx",
		 (unsigned long long)sqlite3_value_int64(argv[0]));
	sqlite3_result_text(context, buf, -1, SQLITE_TRANSIENT);
}

static int engine_add_functions(sqlite3 *db)
{
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
	int rc = sqlite3_create_function(db, "human", 1, flags, NULL, engine_human, NULL,
					 NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_create_function(db, "address", 1, flags, NULL,
					     engine_address, NULL, NULL);
	return rc;
}

static const char engine_views[] =
	"PRAGMA temp_store = MEMORY;"
	"CREATE VIEW dominator AS SELECT snapshot, address, type, dominator, size,"
	" retained, retained_count FROM object;"
	"CREATE VIEW suspect AS SELECT * FROM report_suspects;"
	"CREATE VIEW growth AS SELECT * FROM report_growth;";

/* SQLite makes a virtual table's schema at its first use: all now, before creating is
 * forbidden. */
static int engine_connect_all(sqlite3 *db)
{
	sqlite3_stmt *list = NULL, *one;
	int rc = sqlite3_prepare_v2(db, "SELECT name FROM pragma_module_list", -1, &list,
				    NULL);

	while (rc == SQLITE_OK && sqlite3_step(list) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(list, 0);
		char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);

		/* SQLite's own modules can't all be read */
		if (sql && sqlite3_prepare_v2(db, sql, -1, &one, NULL) == SQLITE_OK)
			sqlite3_finalize(one);
		rc = sql ? SQLITE_OK : SQLITE_NOMEM;
		sqlite3_free(sql);
	}
	sqlite3_finalize(list);
	return rc;
}

/* ---- opening ---- */

static int engine_fail(struct engine *e, const char *sentence)
{
	escape_copy(e->problem, sizeof(e->problem), sentence, strlen(sentence));
	return -1;
}

static int engine_by_time(struct process *const *p, struct process *const *q)
{
	const uint64_t a = heap_fact_u64((*p)->heap, "time_ns", 0),
		       b = heap_fact_u64((*q)->heap, "time_ns", 0);

	return a < b ? -1 : a > b;
}

/* Insertion keeps those of equal times in order. */
static void engine_sort_by_time(struct process **list, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!heap_fact_u64(list[i]->heap, "time_ns", 0))
			return;
	for (uint32_t i = 1; i < count; i++)
		for (uint32_t j = i; j && engine_by_time(&list[j - 1], &list[j]) > 0;
		     j--) {
			struct process *later = list[j - 1];

			list[j - 1] = list[j];
			list[j] = later;
		}
}

/* Old ones first; then by the time, where every one has it.  NULL: no memory. */
static struct process **engine_list(const struct engine *e, const struct workspace *w,
				    uint32_t *count_ret)
{
	struct process **list =
			       calloc((size_t)w->count + w->old_count + 2, sizeof(*list)),
		       *only = e->options.only;
	uint32_t count = 0;

	*count_ret = 0;
	if (!list)
		return NULL;
	if (only && only->old)
		list[count++] = only->old;
	if (only)
		list[count++] = only;
	for (uint32_t i = 0; i < w->old_count && !only; i++)
		list[count++] = w->old[i];
	for (uint32_t i = 0; i < w->count && !only; i++)
		list[count++] = w->process[i];
	if (!only)
		engine_sort_by_time(list, count);
	*count_ret = count;
	return list;
}

static int engine_take_snapshots(struct engine *e, struct workspace *w)
{
	uint32_t count;
	struct process **list = engine_list(e, w, &count);
	int err = list ? 0 : -ENOMEM;

	e->catalog.snapshot = calloc((size_t)count + 1, sizeof(*e->catalog.snapshot));
	if (!e->catalog.snapshot)
		err = -ENOMEM;
	for (uint32_t i = 0; !err && i < count; i++) {
		err = workspace_analyse(w, list[i], e->options.progress);
		if (err)
			break;
		e->catalog.count = i + 1;
		err = indexed_open(&e->catalog.snapshot[i], list[i],
				   &e->catalog.progress);
	}
	free(list);
	return err;
}

int engine_open(struct engine *e, struct workspace *workspace,
		const struct engine_options *options)
{
	*e = (struct engine){ .options = *options };
	e->catalog.workspace = workspace;
	e->catalog.progress = (struct progress){ .report = engine_stops, .arg = e };
	const int err = engine_take_snapshots(e, workspace);
	if (err)
		return engine_fail(e,
				   err == -ECANCELED ? "stopped" : workspace_error(err));
	if (sqlite3_open_v2(":memory:", &e->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI |
				    SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return engine_fail(e, "SQLite cannot be started: out of memory");
	engine_limit(e);
	if (relations_register(e->db, &e->catalog) != SQLITE_OK ||
	    engine_add_functions(e->db) != SQLITE_OK ||
	    sqlite3_exec(e->db, engine_views, NULL, NULL, NULL) != SQLITE_OK ||
	    engine_connect_all(e->db) != SQLITE_OK)
		return engine_fail(e, sqlite3_errmsg(e->db));
	e->open = true;
	return 0;
}

void engine_close(struct engine *e)
{
	sqlite3_close(e->db);
	for (uint32_t i = 0; i < e->catalog.count; i++)
		indexed_free(&e->catalog.snapshot[i]);
	free(e->catalog.snapshot);
	e->db = NULL;
	e->catalog.snapshot = NULL;
	e->catalog.count = 0;
}

/* ---- statements ---- */

static bool engine_in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Where in sql the failure is; -1: unknown.  SQLite doesn't tell it of "no such table:
 * x", but the statement may have x just once. */
static int engine_place(const struct engine *e, const char *sql)
{
	static const char missing[] = "no such table: ";
	const char *message = sqlite3_errmsg(e->db), *found = NULL;
	const int offset = sqlite3_error_offset(e->db);

	if (offset >= 0 || !sql || strncmp(message, missing, sizeof(missing) - 1) != 0)
		return offset;
	const char *name = message + sizeof(missing) - 1;
	const size_t size = strlen(name);
	for (const char *at = strstr(sql, name); at && size;
	     at = strstr(at + size, name)) {
		if ((at > sql && engine_in_word(at[-1])) || engine_in_word(at[size]))
			continue;
		if (found)
			return -1;
		found = at;
	}
	return found ? (int)(found - sql) : -1;
}

/* What SQLite says of it, and at which column of which line it is. */
static void engine_say_place(const struct engine *e, const char *sql, int offset,
			     char *sentence, size_t size)
{
	const char *at = e->text ? e->text : sql, *end = sql + offset;
	size_t column = 1, line = 1;

	if (e->origin) {
		end = e->wrote + e->origin[end - at];
		at = e->wrote;
	}
	if (e->origin && !*end) { /* what is wrong is ours, behind all of it */
		snprintf(sentence, size, "it is no whole condition");
		return;
	}
	for (; at < end; at++, column++)
		if (*at == '\n') {
			line++;
			column = 0;
		}
	if (line > 1)
		snprintf(sentence, size, "%s, at line %zu, column %zu",
			 sqlite3_errmsg(e->db), line, column);
	else
		snprintf(sentence, size, "%s, at column %zu", sqlite3_errmsg(e->db),
			 column);
}

/* What the failure was, and for one of the text where in it. */
static int engine_explain(struct engine *e, const char *sql)
{
	const int code = sqlite3_errcode(e->db) & 0xff, offset = engine_place(e, sql);
	char sentence[sizeof(e->problem)];

	assert(code != SQLITE_OK);
	if (e->timed_out)
		snprintf(sentence, sizeof(sentence),
			 "stopped: it took longer than %.1f s",
			 (double)e->options.timeout_ns / 1e9);
	else if (code == SQLITE_INTERRUPT)
		snprintf(sentence, sizeof(sentence), "stopped");
	else if (code == SQLITE_NOMEM)
		snprintf(sentence, sizeof(sentence),
			 "it needs more memory than it may have (--sql-memory): sort or "
			 "group fewer rows");
	else if (code == SQLITE_AUTH)
		snprintf(sentence, sizeof(sentence), "%s (%s)", engine_may_only_read,
			 sqlite3_errmsg(e->db));
	else if (sql && offset >= 0)
		engine_say_place(e, sql, offset, sentence, sizeof(sentence));
	else
		snprintf(sentence, sizeof(sentence), "%s", sqlite3_errmsg(e->db));
	return engine_fail(e, sentence);
}

int engine_prepare(struct engine *e, const char *sql, const char **tail_ret,
		   sqlite3_stmt **ret)
{
	assert(e->open);
	e->timed_out = false;
	e->refused = false;
	e->deadline_ns =
		e->options.timeout_ns ? engine_now_ns() + e->options.timeout_ns : 0;
	*tail_ret = "";
	if (sqlite3_prepare_v2(e->db, sql, -1, ret, tail_ret) != SQLITE_OK)
		return engine_explain(e, sql);
	if (!*ret || sqlite3_column_count(*ret))
		return 0;
	/* what needs no right and tells nothing: REINDEX without an index */
	sqlite3_finalize(*ret);
	*ret = NULL;
	e->refused = true;
	return engine_fail(e, engine_may_only_read);
}

bool engine_has_more(const struct engine *e, const char *tail)
{
	assert(e->open && tail);
	while (*tail) {
		sqlite3_stmt *next = NULL;
		const int rc = sqlite3_prepare_v2(e->db, tail, -1, &next, &tail);

		sqlite3_finalize(next);
		if (rc != SQLITE_OK || next)
			return true;
	}
	return false;
}

int engine_step(struct engine *e, sqlite3_stmt *statement)
{
	const int rc = sqlite3_step(statement);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		engine_explain(e, NULL);
	return rc;
}

bool engine_was_wrong(const struct engine *e)
{
	const int code = sqlite3_errcode(e->db) & 0xff;

	return e->refused || code == SQLITE_ERROR || code == SQLITE_AUTH ||
		code == SQLITE_TOOBIG || code == SQLITE_MISMATCH;
}

const char *engine_incomplete(const struct engine *e)
{
	for (uint32_t i = 0; i < e->catalog.count; i++) {
		const struct process *p = e->catalog.snapshot[i].process;

		if (!p->heap->complete || p->problem[0])
			return p->problem[0] ? p->problem : "the snapshot is truncated";
	}
	return "";
}
