/* SPDX-License-Identifier: MIT */
/* Where the preloaded agent's snapshots go: names, kinds of what is there, rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/trigger/config.h"
#include "agent/trigger/destination.h"

static void test_output_name(void **state)
{
	char buf[64], small[8];

	(void)state;
	assert_true(destination_name("/d/%p-%t.x%%", 42, 0, 1, buf, sizeof(buf)));
	assert_string_equal(buf, "/d/42-19700101000000.x%");
	assert_true(destination_name("%t", 1, 951782400, 1, buf, sizeof(buf)));
	assert_string_equal(buf, "20000229000000");
	assert_true(destination_name("%t", 1, 4107542399, 3, buf, sizeof(buf)));
	assert_string_equal(buf, "21000228235959-3");
	assert_false(destination_name("/d/%t", 1, 0, 1, small, sizeof(small)));
}

static void test_output_rotates(void **state)
{
	char dir[] = "/tmp/pymem-unit-XXXXXX", path[64];
	struct trigger_config c = { .keep = 2 };
	struct destination o;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 4; i++) {
		snprintf(c.output, sizeof(c.output), "%s/%d", dir, i);
		assert_int_equal(destination_check(&c), 0);
		assert_int_equal(destination_open(&c, &o), 0);
		assert_true(o.file >= DESTINATION_FD_MIN);
		assert_int_equal(stat(o.path, &st), -1); /* not before it is whole */
		assert_int_equal(destination_append(&o, "abc", 3), 0);
		assert_int_equal(destination_commit(&c, &o), 0);
		assert_int_equal(stat(c.output, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_size, 3);
	}
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		assert_int_equal(stat(path, &st), i < 2 ? -1 : 0);
		unlink(path);
	}
	assert_int_equal(destination_open(&c, &o), 0);
	destination_abandon(&o, false); /* nothing worth keeping: nothing left */
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(destination_check(&c), -ENOENT);
	assert_true(destination_open(&c, &o) < 0);
}

static void test_output_rotates_by_bytes(void **state)
{
	char dir[] = "/tmp/pymem-unit-XXXXXX", path[64];
	/* 3 and 2 bytes fit, 3 and 2 and 4 don't; the newest stays, however large */
	static const unsigned sizes[] = { 3, 2, 4, 9 },
			      there[][4] = { { 1, 0, 0, 0 },
					     { 1, 1, 0, 0 },
					     { 0, 1, 1, 0 },
					     { 0, 0, 0, 1 } };
	struct trigger_config c = { .keep_bytes = 6 };
	struct destination o;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 4; i++) {
		snprintf(c.output, sizeof(c.output), "%s/%d", dir, i);
		assert_int_equal(destination_open(&c, &o), 0);
		assert_int_equal(destination_append(&o, "123456789", sizes[i]), 0);
		assert_int_equal(destination_commit(&c, &o), 0);
		for (int j = 0; j < 4; j++) {
			snprintf(path, sizeof(path), "%s/%d", dir, j);
			assert_int_equal(stat(path, &st), there[i][j] ? 0 : -1);
		}
	}
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

/* What is there already: a folder, a pipe that is read, one that isn't, one whose reader
 * goes. */
static void test_output_kinds(void **state)
{
	char dir[] = "/tmp/pymem-unit-XXXXXX", got[8] = "";
	struct trigger_config c = { .keep = 0 };
	struct destination o;
	struct stat st;
	int reader;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(c.output, sizeof(c.output), "%s", dir);
	assert_int_equal(destination_check(&c), 0);
	assert_int_equal(destination_open(&c, &o), 0);
	assert_int_equal(destination_append(&o, "abc", 3), 0);
	assert_int_equal(destination_commit(&c, &o), 0);
	assert_int_equal(strncmp(o.path, dir, strlen(dir)), 0);
	assert_int_equal(stat(o.path, &st), 0);
	unlink(o.path);
	snprintf(c.output, sizeof(c.output), "%s/pipe", dir);
	assert_int_equal(mkfifo(c.output, 0600), 0);
	assert_int_equal(destination_check(&c), 0);
	assert_int_equal(destination_open(&c, &o), -ENXIO);
	reader = open(c.output, O_RDONLY | O_NONBLOCK);
	assert_int_equal(destination_open(&c, &o), 0);
	assert_int_equal(destination_append(&o, "abc", 3), 0);
	assert_int_equal(read(reader, got, sizeof(got)), 3);
	close(reader);
	assert_int_equal(destination_append(&o, "abc", 3), -EPIPE); /* and we live */
	assert_int_equal(destination_commit(&c, &o), 0);
	assert_int_equal(stat(c.output, &st), 0);
	unlink(c.output);
	assert_int_equal(rmdir(dir), 0);
}

/* Where something is that is neither a file nor takes a stream, it stays: rc is what
 * destination_check and destination_open say of c->output. */
static void assert_refused(const struct trigger_config *c, int rc)
{
	struct destination o;
	struct stat before, after;

	assert_int_equal(lstat(c->output, &before), 0);
	assert_int_equal(destination_check(c), rc);
	assert_int_equal(destination_open(c, &o), rc);
	assert_int_equal(lstat(c->output, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mode, after.st_mode);
}

static void test_output_devices(void **state)
{
	char dir[] = "/tmp/pymem-unit-XXXXXX";
	struct trigger_config c = { .keep = 0 };
	struct destination o;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	/* a device, by a link and under a name with %p, is written to and stays */
	snprintf(c.output, sizeof(c.output), "%s/%d", dir, getpid());
	assert_int_equal(symlink("/dev/null", c.output), 0);
	strcpy(c.output + strlen(dir), "/%p");
	assert_int_equal(destination_check(&c), 0);
	assert_int_equal(destination_open(&c, &o), 0);
	assert_true(o.stream && !o.part[0]);
	assert_int_equal(destination_append(&o, "abc", 3), 0);
	assert_int_equal(destination_commit(&c, &o), 0);
	snprintf(c.output, sizeof(c.output), "%s/%d", dir, getpid());
	assert_int_equal(lstat(c.output, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(c.output);
	if (mknod(c.output, S_IFCHR | 0600, makedev(1, 3)) == 0) {
		destination_open(&c, &o); /* may be forbidden by the mount */
		assert_int_equal(destination_commit(&c, &o), 0);
		assert_int_equal(lstat(c.output, &st), 0);
		assert_true(S_ISCHR(st.st_mode));
		unlink(c.output);
	}
	if (mknod(c.output, S_IFBLK | 0600, makedev(240, 77)) == 0)
		assert_refused(&c, -ENOTBLK);
	unlink(c.output);
	assert_int_equal(rmdir(dir), 0);
}

/* Links to files, and what comes to have the name while the snapshot is taken. */
static void test_output_replaces_only_files(void **state)
{
	char dir[] = "/tmp/pymem-unit-XXXXXX", part[80];
	struct trigger_config c = { .keep = 0 };
	struct destination o;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(c.output, sizeof(c.output), "%s/x", dir);
	snprintf(part, sizeof(part), "%s/x.part", dir);
	assert_int_equal(symlink("nowhere", c.output), 0);
	assert_refused(&c, -ELOOP);
	unlink(c.output);
	assert_int_equal(symlink("/proc/self/exe", c.output), 0);
	assert_refused(&c, -ELOOP);
	unlink(c.output);

	assert_int_equal(mkfifo(part, 0600), 0);
	assert_int_equal(destination_open(&c, &o), -EEXIST);
	assert_int_equal(unlink(part), 0);

	assert_int_equal(destination_open(&c, &o), 0);
	assert_int_equal(mkfifo(c.output, 0600), 0);
	assert_int_equal(destination_commit(&c, &o), -EEXIST);
	assert_int_equal(lstat(c.output, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	unlink(part);
	unlink(c.output);
	assert_int_equal(rmdir(dir), 0);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* What a failure leaves: the last one's, until one is whole; nothing where the disk was
 * full. */
static void test_output_parts(void **state)
{
	static const char bytes[8192];
	char dir[] = "/tmp/pymem-unit-XXXXXX", part[3][80];
	struct trigger_config c = { .keep = 0 };
	struct destination o;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 3; i++)
		snprintf(part[i], sizeof(part[i]), "%s/%d.part", dir, i);
	for (int i = 0; i < 2; i++) {
		snprintf(c.output, sizeof(c.output), "%s/%d", dir, i);
		assert_int_equal(destination_open(&c, &o), 0);
		assert_int_equal(destination_append(&o, bytes, sizeof(bytes)), 0);
		destination_abandon(&o, false);
		assert_true(exists(part[i]));
	}
	assert_false(exists(part[0]));
	snprintf(c.output, sizeof(c.output), "%s/2", dir);
	assert_int_equal(destination_open(&c, &o), 0);
	assert_int_equal(destination_append(&o, bytes, sizeof(bytes)), 0);
	destination_abandon(&o, true);
	assert_false(exists(part[2]));
	assert_false(exists(part[1])); /* it takes space that the next one needs */

	for (int i = 0; i < 2; i++) {
		snprintf(c.output, sizeof(c.output), "%s/%d", dir, i);
		assert_int_equal(destination_open(&c, &o), 0);
		assert_int_equal(destination_append(&o, bytes, sizeof(bytes)), 0);
		if (i)
			assert_int_equal(destination_commit(&c, &o), 0);
		else
			destination_abandon(&o, false);
	}
	assert_false(exists(part[0]));
	assert_int_equal(unlink(c.output), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* A limit of file sizes is an error, and no signal that ends the program. */
static void test_output_limited(void **state)
{
	static const char bytes[8192];
	char dir[] = "/tmp/pymem-unit-XXXXXX";
	struct trigger_config c = { .keep = 0 };
	struct destination o;
	struct rlimit before, limit;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 4096;
	snprintf(c.output, sizeof(c.output), "%s/x", dir);
	assert_int_equal(destination_open(&c, &o), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(destination_append(&o, bytes, sizeof(bytes)), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	destination_abandon(&o, true);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_name),
		cmocka_unit_test(test_output_rotates),
		cmocka_unit_test(test_output_rotates_by_bytes),
		cmocka_unit_test(test_output_kinds),
		cmocka_unit_test(test_output_devices),
		cmocka_unit_test(test_output_replaces_only_files),
		cmocka_unit_test(test_output_parts),
		cmocka_unit_test(test_output_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
