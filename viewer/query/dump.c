/* SPDX-License-Identifier: MIT */
/* dump - the tables as an SQLite file (dump.h). */
#include "viewer/query/dump.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "viewer/files/files.h"
#include "viewer/query/apart.h"
#include "viewer/query/dump_file.h"
#include "viewer/query/graft.h"

/* The file is worth nothing before it is whole: no journal, no waiting for the disk.
 * Pages are written in order and not looked at again: the few that are open fit into a
 * processor's cache. */
enum {
	DUMP_PAGE = 16384, /* as in the settings; graft looks */
	DUMP_LARGE = 50000 /* objects */
};

static const char dump_settings[] =
	"PRAGMA out.page_size = 16384; PRAGMA out.journal_mode = OFF;"
	"PRAGMA out.synchronous = OFF; PRAGMA out.locking_mode = EXCLUSIVE;"
	"PRAGMA out.cache_size = -1024; PRAGMA out.application_id = 0x70796d6d;"
	"PRAGMA out.user_version = 2;";

static const char dump_object[] =
	"CREATE TABLE out.object(snapshot INTEGER, address INTEGER, type TEXT, kind TEXT,"
	" size INTEGER, retained INTEGER, retained_count INTEGER, refcount INTEGER,"
	" surplus INTEGER, depth INTEGER, parent INTEGER, dominator INTEGER, module TEXT,"
	" thread INTEGER, length INTEGER, value TEXT, immortal INTEGER, tracked INTEGER,"
	" allocated TEXT, site INTEGER, shared TEXT,"
	" PRIMARY KEY(snapshot, address)) WITHOUT ROWID;"
	"INSERT INTO out.object SELECT snapshot, address, type, kind, size, retained,"
	" retained_count, refcount, surplus, depth, parent, dominator, module, thread,"
	" length, value, immortal, tracked, allocated, site, shared FROM main.object;"
	"CREATE VIEW out.dominator AS SELECT snapshot, address, type, dominator, size,"
	" retained, retained_count FROM object;";
static const char dump_ref[] =
	"CREATE TABLE out.ref(snapshot INTEGER, source INTEGER, target INTEGER, kind "
	"TEXT, name TEXT, position INTEGER, weak INTEGER);";
static const char dump_ref_rows[] =
	"INSERT INTO out.ref SELECT snapshot, source, target, kind, name, position, weak"
	" FROM main.ref;";

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

_Static_assert(ENGINE_SCHEMA == 2, "user_version above");

static int dump_run(struct engine *e, const char *sql)
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

/* What other programs know: numbers of whatever unit are numbers, in this file; what is
 * of no type keeps each value's own. */
static const char *dump_type(const char *declared)
{
	if (!declared)
		return "";
	if (!strcmp(declared, "TEXT"))
		return " TEXT";
	return strcmp(declared, "REAL") && strcmp(declared, "RATIO") ? " INTEGER" :
								       " REAL";
}

/* CREATE TABLE for the columns of a query; NULL: no memory.  sqlite3_free. */
static char *dump_definition(const char *table, sqlite3_stmt *from)
{
	sqlite3_str *const sql = sqlite3_str_new(NULL);

	sqlite3_str_appendf(sql, "CREATE TABLE out.\"%w\"", table);
	for (int i = 0; i < sqlite3_column_count(from); i++)
		sqlite3_str_appendf(sql, "%s\"%w\"%s", i ? ", " : "(",
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

/* ---- one file ---- */

struct dump {
	struct engine *engine;
	int fd, ref_fd;	   /* the file; where ref's rows are until it is whole */
	struct apart ref;  /* the child that writes them, if there is one */
	uint32_t ref_root; /* the table's page in the file */
};

/* Only here may the connection write, and only to that file. */
static int dump_to_fd(struct engine *e, int fd, int (*fill)(struct dump *),
		      struct dump *dump)
{
	int err = -1;

	if (dump_file_offer(fd) == SQLITE_OK) {
		/* a defensive connection keeps its journal */
		sqlite3_db_config(e->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
		e->open = false;
		sqlite3_limit(e->db, SQLITE_LIMIT_ATTACHED, 1);
		err = dump_run(e, "ATTACH '" DUMP_FILE_URI "' AS out");
		if (!err)
			err = dump_run(e, dump_settings);
		if (!err)
			err = fill(dump);
		if (dump_run(e, "DETACH out"))
			err = -1;
		sqlite3_db_config(e->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_limit(e->db, SQLITE_LIMIT_ATTACHED, 0);
		e->open = true;
	}
	dump_file_withdraw();
	return err;
}

static int dump_find_root(struct dump *d)
{
	static const char query[] =
		"SELECT rootpage FROM out.sqlite_schema WHERE name = 'ref'";
	struct engine *const e = d->engine;
	sqlite3_stmt *root = NULL;

	if (sqlite3_prepare_v2(e->db, query, -1, &root, NULL) == SQLITE_OK &&
	    sqlite3_step(root) == SQLITE_ROW)
		d->ref_root = (uint32_t)sqlite3_column_int64(root, 0);
	sqlite3_finalize(root);
	if (!d->ref_root)
		snprintf(e->problem, sizeof(e->problem), "cannot write: no table");
	return d->ref_root ? 0 : -1;
}

static int dump_fill(struct dump *d)
{
	struct engine *const e = d->engine;
	int err = dump_run(e, dump_ref);

	if (!err)
		err = d->ref.pid ? dump_find_root(d) : dump_run(e, dump_ref_rows);
	if (!err)
		err = dump_run(e, dump_object);
	for (size_t i = 0; i < sizeof(dump_tables) / sizeof(dump_tables[0]) && !err; i++)
		err = dump_table(e, dump_tables[i][0], dump_tables[i][1]);
	return err;
}

/* ---- and a second one, for the time being ---- */

static int dump_fill_ref(struct dump *d)
{
	const int err = dump_run(d->engine, dump_ref);

	return err ? err : dump_run(d->engine, dump_ref_rows);
}

/* The child's: it tells no progress, its parent does. */
static int dump_ref_apart(void *arg, char *problem, size_t size)
{
	struct dump *const d = arg;

	d->engine->options.progress = NULL;
	const int err = dump_to_fd(d->engine, d->ref_fd, dump_fill_ref, d);
	snprintf(problem, size, "%s", err ? d->engine->problem : "");
	return err;
}

static int dump_fail(struct engine *e, int err)
{
	snprintf(e->problem, sizeof(e->problem), "cannot write: %s", strerror(err));
	return -1;
}

static int dump_join(struct dump *d)
{
	const struct graft graft = { .to = d->fd,
				     .from = d->ref_fd,
				     .page_size = DUMP_PAGE,
				     .root = d->ref_root,
				     .locked = GRAFT_LOCKED };
	struct engine *const e = d->engine;

	if (apart_wait(&d->ref, e->problem, sizeof(e->problem)))
		return -1;
	const int err = graft_table(&graft);
	return err ? dump_fail(e, -err) : 0;
}

/* A small snapshot isn't worth a process. */
static bool dump_is_large(const struct engine *e)
{
	uint64_t objects = 0;

	for (uint32_t i = 0; i < e->catalog.count; i++)
		objects += e->catalog.snapshot[i].heap->objects;
	return objects >= DUMP_LARGE;
}

static int dump_both(struct engine *e, int fd, const char *output)
{
	struct dump d = { .engine = e, .fd = fd };
	struct new_file rows;
	int err;

	for (uint32_t i = 0; i < e->catalog.count; i++)
		indexed_list_addresses(&e->catalog.snapshot[i]);
	const bool two =
		dump_is_large(e) && apart_helps() && !files_create(&rows, output);
	if (two) {
		d.ref_fd = rows.fd;
		(void)apart_start(&d.ref, dump_ref_apart, &d);
	}
	err = dump_to_fd(e, fd, dump_fill, &d);
	if (!err && d.ref.pid)
		err = dump_join(&d);
	apart_stop(&d.ref);
	if (two)
		files_abort(&rows);
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
	if (dump_both(e, file.fd, output)) {
		files_abort(&file);
		return -1;
	}
	err = files_commit(&file);
	return err ? dump_fail(e, -err) : 0;
}
