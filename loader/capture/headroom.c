/* SPDX-License-Identifier: MIT */
/*
 * headroom - see headroom.h.
 *
 * Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst (memory.max,
 * memory.high, memory.current, memory.oom.group, pids.max) and
 * cgroup-v1/memory.rst (memory.limit_in_bytes, memory.usage_in_bytes; "no limit"
 * is the largest page-aligned signed 64-bit number), proc(5) for
 * /proc/PID/mountinfo and /proc/meminfo.
 */
#include "loader/capture/headroom.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/target/process.h"

/* Reads a small file, NUL-terminated. Its length or -1. */
static ssize_t headroom_slurp(const char *path, char *buf, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	if (fd < 0)
		return -1;
	while (used + 1 < size) {
		const ssize_t n = read(fd, buf + used, size - 1 - used);

		if (n <= 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	buf[used] = '\0';
	return (ssize_t)used;
}

/* A number in dir/name; "max" and v1's "unlimited" are UINT64_MAX. False: no such file.
 */
static bool headroom_number_in(const char *dir, const char *name, uint64_t *ret)
{
	char path[800], buf[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (headroom_slurp(path, buf, sizeof(buf)) <= 0)
		return false;
	if (!isdigit((unsigned char)buf[0])) {
		*ret = UINT64_MAX;
		return strncmp(buf, "max", 3) == 0;
	}
	*ret = strtoull(buf, NULL, 10);
	if (*ret >= UINT64_C(0x7ffffffffffff000))
		*ret = UINT64_MAX;
	return true;
}

/* "key value" in text, at the start of a line; 0 when absent. */
static uint64_t headroom_keyed(const char *text, const char *key)
{
	const size_t n = strlen(key);

	for (const char *line = text; line && *line;) {
		if (strncmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == ':'))
			return strtoull(line + n + 1, NULL, 10);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return 0;
}

/* \040 and the like of mountinfo become characters, in place. */
static void headroom_unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
					(s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* True if the comma-separated list has the word. */
static bool headroom_listed(const char *list, const char *word)
{
	const size_t n = strlen(word);

	for (const char *p = list; p && *p;) {
		if (strncmp(p, word, n) == 0 &&
		    (p[n] == ',' || p[n] == '\0' || p[n] == '\n'))
			return true;
		p = strchr(p, ',');
		if (p)
			p++;
	}
	return false;
}

/*
 * Where a hierarchy is mounted: fstype "cgroup2", or "cgroup" with the
 * controller among its super options.  mount and base (the hierarchy's folder
 * that is seen there): 512 bytes each.
 */
static bool headroom_find_mount(FILE *mounts, const char *fstype, const char *controller,
				char *mount, char *base)
{
	char line[4096];

	rewind(mounts);
	while (fgets(line, sizeof(line), mounts)) {
		char type[64], options[1024];
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*s %*s %*s %511s %511s", base, mount) != 2 ||
		    sscanf(dash, " - %63s %*s %1023s", type, options) != 2)
			continue;
		if (strcmp(type, fstype) != 0 ||
		    (controller && !headroom_listed(options, controller)))
			continue;
		headroom_unescape(base);
		headroom_unescape(mount);
		return true;
	}
	return false;
}

static void headroom_add_level(struct headroom_watch *w, const char *dir, bool v2,
			       bool pids)
{
	assert(w->count <= HEADROOM_LEVELS);
	if (w->count == HEADROOM_LEVELS)
		return;
	struct headroom_level *level = &w->levels[w->count++];
	snprintf(level->dir, sizeof(level->dir), "%s", dir);
	level->v2 = v2;
	level->pids = pids;
}

/* Adds the folder of `path` in the hierarchy and all its ancestors down to the mount. */
static void headroom_add_chain(struct headroom_watch *w, const char *mount,
			       const char *base, const char *path, bool v2, bool pids)
{
	char dir[2048];
	const size_t n = strcmp(base, "/") == 0 ? 0 : strlen(base);

	/* A path that isn't below what is mounted here can't be followed: only the
	 * mount itself, which is an ancestor or the process's own group. */
	const bool below = strncmp(path, base, n) == 0 &&
		(path[n] == '/' || path[n] == '\0') && !strstr(path, "/..");
	const size_t top = (size_t)snprintf(dir, sizeof(dir), "%s%s", w->root, mount);

	if (top >= sizeof(dir) || strlen(dir) + strlen(path) >= sizeof(w->levels[0].dir))
		return;
	if (below)
		strcat(dir, path + n);
	for (;;) {
		size_t len = strlen(dir);

		while (len > top && dir[len - 1] == '/')
			dir[--len] = '\0';
		headroom_add_level(w, dir, v2, pids);
		if (len <= top)
			return;
		*strrchr(dir, '/') = '\0';
	}
}

void headroom_open(struct headroom_watch *ret, const char *root, pid_t pid)
{
	char path[400], line[2048], mount[512], base[512];

	*ret = (struct headroom_watch){ 0 };
	snprintf(ret->root, sizeof(ret->root), "%s", root);
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	FILE *mounts = fopen(path, "re");
	snprintf(path, sizeof(path), "%s/proc/%d/cgroup", root,
		 *root ? (int)pid : (int)process_live(pid));
	FILE *groups = fopen(path, "re");
	while (mounts && groups && fgets(line, sizeof(line), groups)) {
		line[strcspn(line, "\n")] = '\0';
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = '\0';
		controllers++;
		if (!*controllers &&
		    headroom_find_mount(mounts, "cgroup2", NULL, mount, base))
			headroom_add_chain(ret, mount, base, group, true, false);
		if (headroom_listed(controllers, "memory") &&
		    headroom_find_mount(mounts, "cgroup", "memory", mount, base))
			headroom_add_chain(ret, mount, base, group, false, false);
		if (headroom_listed(controllers, "pids") &&
		    headroom_find_mount(mounts, "cgroup", "pids", mount, base))
			headroom_add_chain(ret, mount, base, group, false, true);
	}
	if (mounts)
		fclose(mounts);
	if (groups)
		fclose(groups);
}

static void headroom_read_pids(const struct headroom_level *level, struct headroom *ret)
{
	uint64_t max, now;

	if (!headroom_number_in(level->dir, "pids.max", &max) || max == UINT64_MAX ||
	    !headroom_number_in(level->dir, "pids.current", &now))
		return;
	const uint64_t left = max > now ? max - now : 0;
	if (left < ret->tasks)
		ret->tasks = left;
}

static void headroom_read_memory(const struct headroom_level *level, const char *root,
				 struct headroom *ret)
{
	char path[800], stat[16384];
	uint64_t limit = UINT64_MAX, high, used, group;

	if (!headroom_number_in(level->dir,
				level->v2 ? "memory.max" : "memory.limit_in_bytes",
				&limit))
		return;
	if (level->v2 && headroom_number_in(level->dir, "memory.high", &high) &&
	    high < limit)
		limit = high;
	if (level->v2 && headroom_number_in(level->dir, "memory.oom.group", &group) &&
	    group == 1)
		ret->oom_group = true;
	if (limit == UINT64_MAX ||
	    !headroom_number_in(level->dir,
				level->v2 ? "memory.current" : "memory.usage_in_bytes",
				&used))
		return;
	snprintf(path, sizeof(path), "%s/memory.stat", level->dir);
	if (headroom_slurp(path, stat, sizeof(stat)) > 0) {
		const uint64_t cache = headroom_keyed(
			stat, level->v2 ? "inactive_file" : "total_inactive_file");

		used -= cache < used ? cache : used;
	}
	const uint64_t left = limit > used ? limit - used : 0;
	if (left >= ret->free)
		return;
	ret->free = left;
	ret->limit = limit;
	ret->cgroup = true;
	snprintf(ret->where, sizeof(ret->where), "cgroup %s", level->dir + strlen(root));
}

void headroom_read(const struct headroom_watch *watch, struct headroom *ret)
{
	char path[400], info[8192];

	assert(watch->count <= HEADROOM_LEVELS);
	*ret = (struct headroom){ .free = UINT64_MAX,
				  .limit = UINT64_MAX,
				  .tasks = UINT64_MAX };
	strcpy(ret->where, "this machine");
	snprintf(path, sizeof(path), "%s/proc/meminfo", watch->root);
	if (headroom_slurp(path, info, sizeof(info)) > 0) {
		ret->free = headroom_keyed(info, "MemAvailable") * 1024;
		ret->limit = headroom_keyed(info, "MemTotal") * 1024;
	}
	for (unsigned i = 0; i < watch->count; i++) {
		const struct headroom_level *level = &watch->levels[i];

		if (!level->pids)
			headroom_read_memory(level, watch->root, ret);
		if (level->pids || level->v2)
			headroom_read_pids(level, ret);
	}
}
