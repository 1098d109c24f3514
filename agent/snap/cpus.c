/* SPDX-License-Identifier: MIT */
/* cpus - see cpus.h.  Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst. */
#include "agent/snap/cpus.h"

#include <string.h>

#include "agent/base/sys.h"
#include "agent/base/phrase.h"

enum { CPUS_PATH = 1024 };

/* The number that the file `name` in a folder begins with; false: none ("max", "-1"). */
static bool cpus_read(const char *folder, const char *name, uint64_t *ret, uint64_t *next)
{
	char path[CPUS_PATH + 64], buf[128];
	const char *s = buf;
	struct phrase t;

	phrase_init(&t, path, sizeof(path));
	phrase_str(&t, folder);
	phrase_str(&t, "/");
	phrase_str(&t, name);
	if (sys_read_file(path, buf, sizeof(buf)) <= 0 || !phrase_parse_u64(&s, ret))
		return false;
	return !next || (*s++ == ' ' && phrase_parse_u64(&s, next));
}

/* Whole CPUs of the quota of one group; 0 = none. */
static unsigned cpus_of_folder(const char *folder)
{
	uint64_t quota, period;

	if (!cpus_read(folder, "cpu.max", &quota, &period) &&
	    (!cpus_read(folder, "cpu.cfs_quota_us", &quota, NULL) ||
	     !cpus_read(folder, "cpu.cfs_period_us", &period, NULL)))
		return 0;
	if (!period || quota / period > 4096)
		return 0;
	return quota < period ? 1 : (unsigned)(quota / period);
}

unsigned cpus_of_group(const char *root, const char *path)
{
	char folder[CPUS_PATH];
	const size_t base = strlen(root);
	size_t end = base + strlen(path);
	unsigned least = 0;

	if (end >= sizeof(folder))
		return 0;
	memcpy(folder, root, base);
	memcpy(folder + base, path, end - base + 1);
	for (;;) {
		unsigned n;

		while (end > base && folder[end - 1] == '/')
			end--;
		folder[end] = '\0';
		n = cpus_of_folder(folder);
		least = n && (!least || n < least) ? n : least;
		if (end == base)
			return least;
		while (end > base && folder[end - 1] != '/')
			end--;
	}
}

/* A line of /proc/self/cgroup: "0::/path", or "4:cpu,cpuacct:/path". */
static unsigned cpus_of_line(char *line)
{
	char *const controllers = strchr(line, ':'),
		    *const path = controllers ? strchr(controllers + 1, ':') : NULL;
	unsigned a, b;

	if (!path)
		return 0;
	*path = '\0';
	if (!controllers[1])
		return cpus_of_group("/sys/fs/cgroup", path + 1);
	if (strcmp(controllers + 1, "cpu") && strncmp(controllers + 1, "cpu,", 4) &&
	    !strstr(controllers + 1, ",cpu,"))
		return 0;
	a = cpus_of_group("/sys/fs/cgroup/cpu", path + 1);
	b = cpus_of_group("/sys/fs/cgroup/cpu,cpuacct", path + 1);
	return a && (!b || a < b) ? a : b;
}

static unsigned cpus_of_quota(void)
{
	char buf[4096], *next = buf;
	unsigned least = 0;

	if (sys_read_own("cgroup", buf, sizeof(buf)) <= 0)
		return 0;
	while (next) {
		char *const line = next;
		unsigned n;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		n = cpus_of_line(line);
		least = n && (!least || n < least) ? n : least;
	}
	return least;
}

unsigned cpus_allowed(void)
{
	uint64_t mask[128];
	const long n = sys3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	unsigned cpus = 0, quota;

	for (long i = 0; i < n / 8; i++)
		cpus += (unsigned)__builtin_popcountll(mask[i]);
	if (cpus <= 1)
		return 1;
	quota = cpus_of_quota();
	return quota && quota < cpus ? quota : cpus;
}
