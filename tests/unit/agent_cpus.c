/* SPDX-License-Identifier: MIT */
/* Quotas of control groups, in trees of files as the kernel shows them. */
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "agent/snap/cpus.h"

static char root[] = "/tmp/pymem-cpus-XXXXXX";

static void file_write(const char *path, const char *text)
{
	char name[PATH_MAX];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void folder_make(const char *path)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s%s", root, path);
	assert_int_equal(mkdir(name, 0700), 0);
}

static int group_set_up(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	folder_make("/a");
	folder_make("/a/b");
	folder_make("/old");
	file_write("/a/cpu.max", "250000 100000\n");
	file_write("/a/b/cpu.max", "max 100000\n");
	file_write("/old/cpu.cfs_quota_us", "-1\n");
	file_write("/old/cpu.cfs_period_us", "100000\n");
	return 0;
}

static int group_tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void test_none(void **state)
{
	(void)state;
	assert_int_equal(cpus_of_group(root, "/"), 0);
	assert_int_equal(cpus_of_group(root, ""), 0);
	assert_int_equal(cpus_of_group(root, "/not/there"), 0);
	assert_int_equal(cpus_of_group(root, "/old"), 0);
}

/* Of the group, and of those above it, the least. */
static void test_least(void **state)
{
	(void)state;
	assert_int_equal(cpus_of_group(root, "/a"), 2);
	assert_int_equal(cpus_of_group(root, "/a/"), 2);
	assert_int_equal(cpus_of_group(root, "/a/b"), 2);
	assert_int_equal(cpus_of_group(root, "/a/b/gone"), 2);
	file_write("/a/b/cpu.max", "100000 100000\n");
	assert_int_equal(cpus_of_group(root, "/a/b"), 1);
	file_write("/a/b/cpu.max", "10000 100000\n");
	assert_int_equal(cpus_of_group(root, "/a/b"), 1);
	file_write("/a/b/cpu.max", "max 100000\n");
}

static void test_version_1(void **state)
{
	(void)state;
	file_write("/old/cpu.cfs_quota_us", "300000\n");
	assert_int_equal(cpus_of_group(root, "/old"), 3);
	file_write("/old/cpu.cfs_quota_us", "-1\n");
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = { "",	 "\n",
					     "max",	 "100000",
					     "100000 ",	 "1 0",
					     "x 100000", "18446744073709551615 1" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		file_write("/a/b/cpu.max", texts[i]);
		assert_int_equal(cpus_of_group(root, "/a/b"), 2);
	}
	file_write("/a/b/cpu.max", "max 100000\n");
}

/* No more than the mask, whatever the quota of where this runs. */
static void test_mask(void **state)
{
	cpu_set_t all, one;
	int first = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_in_range(cpus_allowed(), 1, CPU_COUNT(&all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(cpus_allowed(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	  cmocka_unit_test(test_least),
		cmocka_unit_test(test_version_1), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
