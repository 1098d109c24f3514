/* SPDX-License-Identifier: MIT */
/*
 * A file gets its name when it is on the disk, and the name is there before the call is
 * over; what can't be written leaves the old file.  The calls are noted on their way to
 * the C library (ld --wrap).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/core/replace.h"

static char calls[64];	/* 'f': a file synced, 'd': a folder, 'r': renamed */
static int sync_errors; /* errno of the next fsync; 0 = it is done */

int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);

static void note(char what)
{
	const size_t n = strlen(calls);

	assert_true(n + 1 < sizeof(calls));
	calls[n] = what;
	calls[n + 1] = '\0';
}

int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	note(S_ISDIR(st.st_mode) ? 'd' : 'f');
	if (sync_errors) {
		errno = sync_errors;
		sync_errors = 0;
		return -1;
	}
	return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	note('r');
	return __real_rename(from, to);
}

static char folder[] = "/tmp/pymem-replace-XXXXXX";
static char temporary[64], path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(temporary, sizeof(temporary), "%s/new", folder);
	snprintf(path, sizeof(path), "%s/old", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(temporary);
	unlink(path);
	return rmdir(folder);
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void expect(const char *name, const char *text)
{
	char buf[16] = "";
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	assert_non_null(fgets(buf, sizeof(buf), f));
	assert_string_equal(buf, text);
	fclose(f);
}

static void begin(void)
{
	calls[0] = '\0';
	put(path, "old");
	put(temporary, "new");
}

static void test_synced_before_it_is_named(void **state)
{
	(void)state;
	begin();
	assert_int_equal(replace_commit(temporary, path), 0);
	assert_string_equal(calls, "frd");
	expect(path, "new");
}

static void test_what_is_not_on_the_disk_replaces_nothing(void **state)
{
	(void)state;
	begin();
	sync_errors = EIO;
	assert_int_equal(replace_commit(temporary, path), -EIO);
	assert_string_equal(calls, "f");
	expect(path, "old");
	assert_int_equal(access(temporary, F_OK), -1);
}

static void test_file_system_that_keeps_nothing(void **state)
{
	(void)state;
	begin();
	sync_errors = EINVAL;
	assert_int_equal(replace_commit(temporary, path), 0);
	expect(path, "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synced_before_it_is_named),
		cmocka_unit_test(test_what_is_not_on_the_disk_replaces_nothing),
		cmocka_unit_test(test_file_system_that_keeps_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
