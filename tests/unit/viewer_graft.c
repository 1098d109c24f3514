/* SPDX-License-Identifier: MIT */
/*
 * graft: what SQLite itself says of the joined file (integrity_check), and that each row
 * is there; with long rows, several levels of pages, and the page that SQLite leaves out
 * at any place.  Damaged files are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "viewer/query/graft.h"

#define LENGTHS 9
#define PENDING (1 << 19) /* half a mebibyte, so that tests need no large files */

static const int lengths[LENGTHS] = { 0, 1, 20, 90, 440, 470, 500, 3000, 70000 };

struct file {
	char path[32];
	int fd;
};

static void file_make(struct file *f)
{
	strcpy(f->path, "/tmp/unit-graft-XXXXXX");
	f->fd = mkstemp(f->path);
	assert_true(f->fd >= 0);
}

static void file_end(struct file *f)
{
	close(f->fd);
	unlink(f->path);
}

static sqlite3 *db_open(const struct file *f)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	return db;
}

static void db_run(sqlite3 *db, char *sql)
{
	assert_non_null(sql);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_free(sql);
}

static char *db_text(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	char *const text = strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	assert_non_null(text);
	return text;
}

static void db_expect(sqlite3 *db, const char *sql, const char *expected)
{
	char *const text = db_text(db, sql);

	assert_string_equal(text, expected);
	free(text);
}

/* A table of rows whose lengths go around; every fourth row is long. */
static void file_fill(const struct file *f, uint32_t page, const char *table, int rows)
{
	sqlite3 *const db = db_open(f);

	db_run(db,
	       sqlite3_mprintf("PRAGMA page_size = %u; PRAGMA journal_mode = OFF;"
			       " PRAGMA synchronous = OFF",
			       page));
	db_run(db, sqlite3_mprintf("CREATE TABLE %s(n INTEGER, words TEXT)", table));
	db_run(db, sqlite3_mprintf("BEGIN"));
	for (int i = 0; i < rows; i++)
		db_run(db,
		       sqlite3_mprintf(
			       "INSERT INTO %s VALUES(%d, hex(zeroblob(%d)))", table, i,
			       i % 50 ? lengths[i % 4] : lengths[i / 50 % LENGTHS]));
	db_run(db, sqlite3_mprintf("COMMIT"));
	sqlite3_close(db);
}

static uint32_t file_root(const struct file *f)
{
	sqlite3 *const db = db_open(f);
	char *const root =
		db_text(db, "SELECT rootpage FROM sqlite_schema WHERE name = 'grafted'");
	const uint32_t page = (uint32_t)atoi(root);

	free(root);
	sqlite3_close(db);
	return page;
}

static void graft_check(uint32_t page, int kept, int rows, uint64_t locked)
{
	struct file to, from;
	const char *const sums =
		"SELECT count(*) || ' ' || sum(n) || ' ' || sum(length(words) * n)"
		" FROM grafted";

	file_make(&to);
	file_make(&from);
	file_fill(&from, page, "grafted", rows);
	sqlite3 *db = db_open(&from);
	char *const expected = rows ? db_text(db, sums) : NULL;
	sqlite3_close(db);
	file_fill(&to, page, "kept", kept);
	db = db_open(&to);
	db_run(db,
	       sqlite3_mprintf("PRAGMA journal_mode = OFF;"
			       "CREATE TABLE grafted(n INTEGER, words TEXT)"));
	sqlite3_close(db);

	const struct graft graft = { to.fd, from.fd, page, file_root(&to), locked };
	assert_int_equal(graft_table(&graft), 0);
	db = db_open(&to);
	db_expect(db, "PRAGMA integrity_check", "ok");
	if (expected)
		db_expect(db, sums, expected);
	free(expected);
	/* it is a table as any other */
	db_run(db, sqlite3_mprintf("INSERT INTO grafted VALUES(-1, 'more')"));
	db_run(db, sqlite3_mprintf("DELETE FROM grafted WHERE n %% 2"));
	db_expect(db, "PRAGMA integrity_check", "ok");
	sqlite3_close(db);
	file_end(&to);
	file_end(&from);
}

static void test_sizes(void **state)
{
	static const int rows[] = { 0, 1, 3, 60, 3000 };

	(void)state;
	for (uint32_t page = 512; page <= 32768; page *= 8)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			graft_check(page, 40 * (int)i, rows[i], GRAFT_LOCKED);
}

/* The page is in the one file, in the other, at the seam, in none. */
static void test_the_page_that_is_left_out(void **state)
{
	(void)state;
	sqlite3_test_control(SQLITE_TESTCTRL_PENDING_BYTE, PENDING);
	for (int kept = 0; kept <= 2400; kept += 150) {
		graft_check(4096, kept, 300, PENDING);
		graft_check(4096, 2400 - kept, 2400, PENDING);
	}
	sqlite3_test_control(SQLITE_TESTCTRL_PENDING_BYTE, (int)GRAFT_LOCKED);
}

static int graft_damaged(const struct file *to, const struct file *from, off_t at,
			 const uint8_t *bytes, size_t size)
{
	const struct graft graft = { to->fd, from->fd, 4096, 2, GRAFT_LOCKED };
	uint8_t was[8];

	assert_int_equal(pread(from->fd, was, size, at), size);
	assert_int_equal(pwrite(from->fd, bytes, size, at), size);
	const int err = graft_table(&graft);
	assert_int_equal(pwrite(from->fd, was, size, at), size);
	return err;
}

static void test_damage(void **state)
{
	static const uint8_t none[8] = { 0 },
			     all[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	static const uint8_t index = 0x0a;
	struct file to, from;

	(void)state;
	file_make(&to);
	file_make(&from);
	file_fill(&to, 4096, "grafted", 0);
	file_fill(&from, 4096, "grafted", 800);
	assert_int_equal(graft_damaged(&to, &from, 16, all, 2), -EBADMSG); /* page size */
	assert_int_equal(graft_damaged(&to, &from, 28, none, 4), -EBADMSG); /* no pages */
	assert_int_equal(graft_damaged(&to, &from, 28, all, 4), -EBADMSG);
	assert_int_equal(graft_damaged(&to, &from, 36, all, 4), -EBADMSG); /* free ones */
	assert_int_equal(graft_damaged(&to, &from, 4096, &index, 1), -EBADMSG);
	assert_int_equal(graft_damaged(&to, &from, 4096, none, 4), -EBADMSG);
	assert_int_equal(graft_damaged(&to, &from, 4096 + 3, all, 2), -EBADMSG);
	assert_int_equal(graft_damaged(&to, &from, 4096 + 8, all, 4), -EBADMSG);
	assert_int_equal(graft_damaged(&to, &from, 4096 + 12, all, 2), -EBADMSG);
	assert_int_equal(ftruncate(from.fd, 3 * 4096 + 100), 0); /* cut */
	assert_int_equal(graft_damaged(&to, &from, 4096, none, 0), -EBADMSG);
	file_end(&to);
	file_end(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_the_page_that_is_left_out),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
