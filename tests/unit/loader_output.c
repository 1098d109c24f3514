/* SPDX-License-Identifier: MIT */
/* Where snapshots are written: names, modes, nothing half-done under the final name. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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

#include "loader/output/output.h"

static char dir[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/pymem-unit-XXXXXX");
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

/* Files in the folder, hidden ones too. */
static size_t files(const char *pattern)
{
	glob_t g;
	size_t n = 0;

	if (glob(pattern, GLOB_PERIOD, NULL, &g) == 0) {
		n = g.gl_pathc;
		globfree(&g);
	}
	return n;
}

static void appears_when_complete(void **state)
{
	struct output out;
	struct stat st;
	char error[512];

	(void)state;
	umask(0);
	assert_int_equal(output_open(&out, "x.pymem", 1, 7, error), 0);
	assert_true(out.seekable);
	assert_int_equal(output_write(out.fd, "data", 4), 0);
	assert_int_equal(access("x.pymem", F_OK), -1);
	assert_int_equal(output_commit(&out, error), 0);
	assert_int_equal(stat("x.pymem", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(files(".pymem-*"), 0);
}

static void discard_leaves_the_old_one(void **state)
{
	struct output out;
	struct stat st;
	char error[512];

	(void)state;
	assert_int_equal(output_open(&out, "y.pymem", 1, 7, error), 0);
	assert_int_equal(output_write(out.fd, "old", 3), 0);
	assert_int_equal(output_commit(&out, error), 0);
	assert_int_equal(output_open(&out, "y.pymem", 1, 7, error), 0);
	assert_int_equal(output_write(out.fd, "newer", 5), 0);
	output_discard(&out);
	assert_int_equal(stat("y.pymem", &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(files(".pymem-*"), 0);
}

static void made_up_names_never_collide(void **state)
{
	struct output out[3];
	struct stat st;
	char error[512];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(output_open(&out[i], NULL, 1, 7, error), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(output_commit(&out[i], error), 0);
	assert_int_equal(files("pymem_out/pymem-snapshot-??????????????*.pymem"), 3);
	assert_string_not_equal(out[0].name, out[1].name);
	assert_string_not_equal(out[1].name, out[2].name);
	assert_int_equal(stat("pymem_out", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void names_are_patterns(void **state)
{
	struct output out;
	char error[512];

	(void)state;
	assert_int_equal(output_open(&out, "a-%n-%p-%%.pymem", 12, 345, error), 0);
	assert_string_equal(out.name, "a-012-345-%.pymem");
	output_discard(&out);
}

static void what_cannot_be_written_is_told(void **state)
{
	struct output out;
	char error[512];

	(void)state;
	assert_int_equal(output_open(&out, "no/such/place.pymem", 1, 7, error), -1);
	assert_non_null(strstr(error, "no/such"));
	assert_int_equal(output_open(&out, "/tmp", 1, 7, error), -1);
	assert_non_null(strstr(error, "folder"));
	assert_int_equal(output_open(&out, "", 1, 7, error), -1);
	assert_non_null(strstr(error, "empty"));
	assert_int_equal(output_open(&out, "/dev/full", 1, 7, error), 0);
	assert_false(out.seekable);
	assert_int_equal(output_write(out.fd, "x", 1), -ENOSPC);
	output_discard(&out);
	assert_int_equal(access("/dev/full", F_OK), 0);
}

static void scratch_has_no_name(void **state)
{
	struct output out;
	char error[512], buf[8] = "";

	(void)state;
	const int fd = output_scratch("x.pymem", error);
	assert_true(fd >= 0);
	assert_int_equal(files(".pymem-*"), 0);
	assert_int_equal(output_write(fd, "abc", 3), 0);
	assert_int_equal(output_open(&out, "z.pymem", 1, 7, error), 0);
	assert_int_equal(output_append(out.fd, fd), 0);
	assert_int_equal(output_append(out.fd, fd), 0);
	assert_int_equal(pread(out.fd, buf, 7, 0), 6);
	assert_string_equal(buf, "abcabc");
	output_discard(&out);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appears_when_complete),
		cmocka_unit_test(discard_leaves_the_old_one),
		cmocka_unit_test(made_up_names_never_collide),
		cmocka_unit_test(names_are_patterns),
		cmocka_unit_test(what_cannot_be_written_is_told),
		cmocka_unit_test(scratch_has_no_name),
	};

	return cmocka_run_group_tests_name("loader_output", tests, set_up, tear_down);
}
