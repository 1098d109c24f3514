/* SPDX-License-Identifier: MIT */
/* dump - the tables as an SQLite file (dump.h). */
#include "viewer/query/dump.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "viewer/files/files.h"
#include "viewer/query/dump_file.h"

/* The file is worth nothing before it is whole: no journal, no waiting for the disk.
 * Pages are written in order and not looked at again: the few that are open fit into a
 * processor's cache. */
static const char dump_settings[] =
	"PRAGMA out.page_size = 16384; PRAGMA out.journal_mode = OFF;"
	"PRAGMA out.synchronous = OFF; PRAGMA out.locking_mode = EXCLUSIVE;"
	"PRAGMA out.cache_size = -1024; PRAGMA out.application_id = 0x70796d6d;"
	"PRAGMA out.user_version = 1;"
	"CREATE TABLE out.object(snapshot INTEGER, address INTEGER, type TEXT, kind TEXT,"
	" size INTEGER, retained INTEGER, retained_count INTEGER, refcount INTEGER,"
	" surplus INTEGER, depth INTEGER, parent INTEGER, dominator INTEGER, module TEXT,"
	" thread INTEGER, length INTEGER, value TEXT, immortal INTEGER, tracked INTEGER,"
	" allocated TEXT, site INTEGER,"
	" PRIMARY KEY(snapshot, address)) WITHOUT ROWID;"
	"INSERT INTO out.object SELECT snapshot, address, type, kind, size, retained,"
	" retained_count, refcount, surplus, depth, parent, dominator, module, thread,"
	" length, value, immortal, tracked, allocated, site FROM main.object;"
	"CREATE TABLE out.ref(snapshot INTEGER, source INTEGER, target INTEGER, kind "
	"TEXT,"
	" name TEXT, position INTEGER, weak INTEGER);"
	"INSERT INTO out.ref SELECT snapshot, source, target, kind, name, position, weak"
	" FROM main.ref;"
	"CREATE VIEW out.dominator AS SELECT snapshot, address, type, dominator, size,"
	" retained, retained_count FROM object;";

/* name in the file, what it is filled from */
static const char *const dump_tables[][2] = {
	{ "snapshot", "snapshot" },
	{ "type", "type" },
	{ "root", "root" },
	{ "local", "local" },
	{ "module", "module" },
	{ "thread", "thread" },
	{ "frame", "frame" },
	{ "buffer", "buffer" },
	{ "map", "map" },
	{ "fact", "fact" },
	{ "suspect", "report_suspects" },
	{ "growth", "report_growth" },
	{ "site", "site" },
	{ "trace", "trace" },
};

_Static_assert(ENGINE_SCHEMA == 1, "user_version above");

static int dump_run(struct engine *e, char *sql)
{
	char *message = NULL;
	int rc = sql ? sqlite3_exec(e->db, sql, NULL, NULL, &message) : SQLITE_NOMEM;

	if (rc != SQLITE_OK)
		snprintf(e->problem, sizeof(e->problem), "%s%s",
			 rc == SQLITE_NOMEM ? "" : "cannot write: ",
			 rc == SQLITE_NOMEM ? workspace_error(-ENOMEM) :
				 message    ? message :
					      sqlite3_errstr(rc));
	sqlite3_free(message);
	return rc == SQLITE_OK ? 0 : -1;
}

static int dump_run_and_free(struct engine *e, char *sql)
{
	const int err = dump_run(e, sql);

	sqlite3_free(sql);
	return err;
}

/* What other programs know: numbers of whatever unit are numbers, in this file. */
static const char *dump_type(const char *declared)
{
	if (!declared || !strcmp(declared, "TEXT"))
		return "TEXT";
	return strcmp(declared, "REAL") && strcmp(declared, "RATIO") ? "INTEGER" : "REAL";
}

/* CREATE TABLE for the columns of a query; NULL: no memory.  sqlite3_free. */
static char *dump_definition(const char *table, sqlite3_stmt *from)
{
	sqlite3_str *const sql = sqlite3_str_new(NULL);

	sqlite3_str_appendf(sql, "CREATE TABLE out.\"%w\"", table);
	for (int i = 0; i < sqlite3_column_count(from); i++)
		sqlite3_str_appendf(sql, "%s\"%w\" %s", i ? ", " : "(",
				    sqlite3_column_name(from, i),
				    dump_type(sqlite3_column_decltype(from, i)));
	sqlite3_str_appendall(sql, ")");
	return sqlite3_str_finish(sql);
}

/* A table as it is, under the name that it has in the file. */
static int dump_table(struct engine *e, const char *name, const char *of)
{
	char *const all = sqlite3_mprintf("SELECT * FROM main.%s", of), *define = NULL;
	sqlite3_stmt *from = NULL;

	if (all && sqlite3_prepare_v2(e->db, all, -1, &from, NULL) == SQLITE_OK)
		define = dump_definition(name, from);
	sqlite3_finalize(from);
	sqlite3_free(all);
	int err = dump_run_and_free(e, define);
	if (!err)
		err = dump_run_and_free(
			e,
			sqlite3_mprintf("INSERT INTO out.%s SELECT * FROM main.%s", name,
					of));
	return err;
}

static int dump_tables_to(struct engine *e)
{
	int err =
		dump_run_and_free(e, sqlite3_mprintf("ATTACH %Q AS out", DUMP_FILE_URI));

	for (uint32_t i = 0; i < e->catalog.count; i++)
		indexed_list_addresses(&e->catalog.snapshot[i]);
	if (!err)
		err = dump_run_and_free(e, sqlite3_mprintf("%s", dump_settings));
	for (size_t i = 0; i < sizeof(dump_tables) / sizeof(dump_tables[0]) && !err; i++)
		err = dump_table(e, dump_tables[i][0], dump_tables[i][1]);
	if (dump_run_and_free(e, sqlite3_mprintf("DETACH out")))
		err = -1;
	return err;
}

static int dump_fail(struct engine *e, int err)
{
	snprintf(e->problem, sizeof(e->problem), "cannot write: %s", strerror(err));
	return -1;
}

/* Only here may the connection write, and only to that file. */
static int dump_to_fd(struct engine *e, int fd)
{
	int err = -1;

	if (dump_file_offer(fd) == SQLITE_OK) {
		/* a defensive connection keeps its journal */
		sqlite3_db_config(e->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
		e->open = false;
		sqlite3_limit(e->db, SQLITE_LIMIT_ATTACHED, 1);
		err = dump_tables_to(e);
		sqlite3_db_config(e->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_limit(e->db, SQLITE_LIMIT_ATTACHED, 0);
		e->open = true;
	}
	dump_file_withdraw();
	return err;
}

int dump_write(struct engine *e, const char *output)
{
	struct new_file file;
	int err;

	assert(e->open);
	if (!strcmp(output, "-") || files_is_special(output)) {
		snprintf(e->problem, sizeof(e->problem),
			 "SQLite needs a file, not a pipe or a device");
		return -1;
	}
	err = files_create(&file, output);
	if (err)
		return dump_fail(e, -err);
	if (dump_to_fd(e, file.fd)) {
		files_abort(&file);
		return -1;
	}
	err = files_commit(&file);
	return err ? dump_fail(e, -err) : 0;
}
