/* SPDX-License-Identifier: MIT */
/* Headroom read from made-up cgroup trees, v1 and v2, nested, unlimited, namespaced. */
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

#include "loader/capture/headroom.h"

#define MB (UINT64_C(1) << 20)

static char root[64];

/* Writes a file below the root, making its folders. */
static void put(const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *s = full + strlen(root) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		mkdir(full, 0700);
		*s = '/';
	}
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/pymem-unit-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	put("/proc/meminfo",
	    "MemTotal:       8388608 kB\nMemFree: 1 kB\n"
	    "MemAvailable:   4194304 kB\n");
	put("/proc/7/cgroup", "");
	put("/proc/self/mountinfo", "");
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static struct headroom measure(void)
{
	struct headroom_watch w;
	struct headroom h;

	headroom_open(&w, root, 7);
	headroom_read(&w, &h);
	return h;
}

static void machine_only(void **state)
{
	(void)state;
	const struct headroom h = measure();
	assert_int_equal(h.free, 4096 * MB);
	assert_int_equal(h.limit, 8192 * MB);
	assert_false(h.cgroup);
	assert_int_equal(h.tasks, UINT64_MAX);
}

static void v2_tightest_ancestor_wins(void **state)
{
	(void)state;
	put("/proc/self/mountinfo",
	    "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("/proc/7/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.max", "max\n");
	put("/sys/fs/cgroup/a/b/memory.high", "max\n");
	put("/sys/fs/cgroup/a/b/memory.current", "104857600\n");
	put("/sys/fs/cgroup/a/b/pids.max", "10\n");
	put("/sys/fs/cgroup/a/b/pids.current", "8\n");
	put("/sys/fs/cgroup/a/memory.max", "314572800\n");
	put("/sys/fs/cgroup/a/memory.current", "209715200\n");
	put("/sys/fs/cgroup/a/memory.oom.group", "1\n");
	struct headroom h = measure();
	assert_int_equal(h.free, 100 * MB);
	assert_int_equal(h.limit, 300 * MB);
	assert_true(h.cgroup);
	assert_true(h.oom_group);
	assert_int_equal(h.tasks, 2);
	assert_string_equal(h.where, "cgroup /sys/fs/cgroup/a");
	/* Page cache that would be dropped is free; memory.high binds before max. */
	put("/sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 52428800\n");
	put("/sys/fs/cgroup/a/memory.high", "262144000\n");
	h = measure();
	assert_int_equal(h.free, 100 * MB);
	assert_int_equal(h.limit, 250 * MB);
}

static void v1_unlimited_is_no_limit(void **state)
{
	(void)state;
	put("/proc/self/mountinfo",
	    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	    "40 31 0:37 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n");
	put("/proc/7/cgroup", "8:pids:/x\n4:memory:/x/y\n0::/\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
	put("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "104857600\n");
	put("/sys/fs/cgroup/memory/x/y/memory.usage_in_bytes", "94371840\n");
	put("/sys/fs/cgroup/memory/x/y/memory.stat", "total_inactive_file 10485760\n");
	put("/sys/fs/cgroup/pids/x/pids.max", "5\n");
	put("/sys/fs/cgroup/pids/x/pids.current", "9\n");
	struct headroom h = measure();
	assert_int_equal(h.free, 20 * MB);
	assert_int_equal(h.tasks, 0);
	put("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "9223372036854771712\n");
	h = measure();
	assert_false(h.cgroup);
}

static void seen_from_a_container(void **state)
{
	(void)state;
	/* What is mounted is a sub-tree: the path is relative to its base. */
	put("/proc/self/mountinfo",
	    "31 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	put("/proc/7/cgroup", "0::/docker/abc/app\n");
	put("/sys/fs/cgroup/app/memory.max", "104857600\n");
	put("/sys/fs/cgroup/app/memory.current", "4194304\n");
	struct headroom h = measure();
	assert_int_equal(h.free, 96 * MB);
	/* A group outside of it: only the mount itself is looked at, no crash. */
	put("/proc/7/cgroup", "0::/../other\n");
	put("/sys/fs/cgroup/memory.max", "209715200\n");
	put("/sys/fs/cgroup/memory.current", "104857600\n");
	h = measure();
	assert_int_equal(h.free, 100 * MB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(machine_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(v2_tightest_ancestor_wins, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(v1_unlimited_is_no_limit, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(seen_from_a_container, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("loader_headroom", tests, NULL, NULL);
}
