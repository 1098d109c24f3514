/* SPDX-License-Identifier: MIT */
/* limit - see limit.h. */
#include "agent/trigger/limit.h"

#include <string.h>
#include <unistd.h>

#include "agent/snap/gil.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

enum {
	LIMIT_FASTEST_MS = 20,
	LIMIT_SLOWEST_MS = 2000,
	LIMIT_WALK_NS_PER_BYTE = 4,
	LIMIT_MARGIN = 4
};

static struct {
	bool active, above;
	uint64_t line;		/* bytes of resident memory */
	uint64_t due;		/* next look */
	uint64_t seen, seen_at; /* resident bytes at the last look, and when */
	uint64_t rate;		/* bytes per second between the last two looks */
	uint64_t room_at_fork;
	int copy; /* of the capture room_at_fork belongs to */
} limit;

/* ---- what /proc and the control groups say ---- */

/* The number in a one-number file; "max" and what can't be read: no limit. */
static uint64_t limit_read_number(const char *path)
{
	char buf[64];
	const char *s = buf;
	uint64_t v;

	if (sys_read_file(path, buf, sizeof(buf)) <= 0 || !text_parse_u64(&s, &v))
		return UINT64_MAX;
	return v;
}

/* "name value" or "name: value kB" lines; 0 when it isn't there. */
static uint64_t limit_read_field(const char *path, const char *name)
{
	static char buf[16384];
	const size_t length = strlen(name);
	const char *s = buf;
	uint64_t v;

	if (sys_read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	for (; s; s = (s = strchr(s, '\n')) ? s + 1 : NULL) {
		if (strncmp(s, name, length) != 0)
			continue;
		for (s += length; *s == ':' || *s == ' '; s++)
			;
		return text_parse_u64(&s, &v) ? v : 0;
	}
	return 0;
}

static uint64_t limit_resident_bytes(void)
{
	char buf[128];
	const char *s = buf;
	uint64_t size, pages;

	if (sys_read_file("/proc/self/statm", buf, sizeof(buf)) <= 0 ||
	    !text_parse_u64(&s, &size) || *s++ != ' ' || !text_parse_u64(&s, &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct cgroup_files {
	const char *root, *max, *used, *cache;
};
static const struct cgroup_files cgroup_v1 = {
	"/sys/fs/cgroup/memory",
	"/memory.limit_in_bytes",
	"/memory.usage_in_bytes",
	"total_inactive_file",
};
static const struct cgroup_files cgroup_v2 = {
	"/sys/fs/cgroup",
	"/memory.max",
	"/memory.current",
	"inactive_file",
};

static uint64_t limit_cgroup_number(const struct text *dir, const char *file)
{
	char path[1200];
	struct text t;

	text_init(&t, path, sizeof(path));
	text_bytes(&t, dir->buf, dir->used);
	text_str(&t, file);
	return limit_read_number(path);
}

/* One group: keeps the tightest limit; reclaimable page cache is not use. */
static void limit_cgroup_one(const struct cgroup_files *files, const struct text *dir,
			     uint64_t *limit_ret, uint64_t *used_ret)
{
	const uint64_t max = limit_cgroup_number(dir, files->max);
	uint64_t used, cache;
	char path[1200];
	struct text t;

	if (max >= *limit_ret)
		return;
	used = limit_cgroup_number(dir, files->used);
	text_init(&t, path, sizeof(path));
	text_bytes(&t, dir->buf, dir->used);
	text_str(&t, "/memory.stat");
	cache = limit_read_field(path, files->cache);
	*limit_ret = max;
	*used_ret = used == UINT64_MAX ? 0 : used > cache ? used - cache : 0;
}

/* Our group and all above it.  In a namespace that hides them the root is ours. */
static void limit_cgroup_walk(const struct cgroup_files *files, const char *path,
			      size_t length, uint64_t *limit_ret, uint64_t *used_ret)
{
	char buf[1100];
	struct text dir;

	text_init(&dir, buf, sizeof(buf));
	text_str(&dir, files->root);
	const size_t root = dir.used;

	text_bytes(&dir, path, length);
	for (;;) {
		while (dir.used > root && dir.buf[dir.used - 1] == '/')
			dir.used--;
		limit_cgroup_one(files, &dir, limit_ret, used_ret);
		if (dir.used == root)
			return;
		while (dir.used > root && dir.buf[dir.used - 1] != '/')
			dir.used--;
	}
}

void limit_room(uint64_t *limit_ret, uint64_t *used_ret)
{
	static char buf[8192];
	char *line = buf, *next;

	*limit_ret = limit_read_field("/proc/meminfo", "MemTotal") << 10;
	*used_ret =
		*limit_ret - (limit_read_field("/proc/meminfo", "MemAvailable") << 10);
	if (sys_read_file("/proc/self/cgroup", buf, sizeof(buf)) <= 0)
		return;
	for (; line && *line; line = next) { /* number:controllers:path */
		char *controllers, *path;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		controllers = strchr(line, ':');
		path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		if (strcmp(controllers + 1, "memory") == 0)
			limit_cgroup_walk(&cgroup_v1, path, strlen(path), limit_ret,
					  used_ret);
		else if (controllers[1] == '\0')
			limit_cgroup_walk(&cgroup_v2, path, strlen(path), limit_ret,
					  used_ret);
	}
}

/* ---- the line ---- */

void limit_begin(const struct trigger_config *config)
{
	uint64_t most, used;

	limit_room(&most, &used);
	limit.active = config->rss_bytes || config->rss_percent;
	limit.line =
		config->rss_bytes ? config->rss_bytes : most / 100 * config->rss_percent;
	limit.due = 0;
	limit.above = false;
}

bool limit_active(void)
{
	return limit.active;
}

uint64_t limit_due(uint64_t now)
{
	return limit.due > now ? limit.due - now : 0;
}

static void limit_schedule(uint64_t distance)
{
	uint64_t ms = distance >> 20; /* 1 GiB/s */

	if (ms < LIMIT_FASTEST_MS)
		ms = LIMIT_FASTEST_MS;
	if (ms > LIMIT_SLOWEST_MS)
		ms = LIMIT_SLOWEST_MS;
	limit.due = sys_now_ns() + ms * 1000000u;
}

bool limit_crossed(void)
{
	const uint64_t now = sys_now_ns();
	uint64_t most, used, rss, need, line = limit.line;

	if (now < limit.due)
		return false;
	rss = limit_resident_bytes();
	limit.rate = limit.seen && rss > limit.seen ?
		(rss - limit.seen) * 1000 / ((now - limit.seen_at) / 1000000 + 1) :
		0;
	limit.seen = rss;
	limit.seen_at = now;
	if (limit.above) {
		if (rss < line - line / 10)
			limit.above = false;
		limit_schedule((uint64_t)LIMIT_SLOWEST_MS << 20);
		return false;
	}
	if (rss >= line / 2) { /* near enough for the groups to matter */
		limit_room(&most, &used);
		need = (32u << 20) + rss / 8;
		if (used + need >= most)
			line = rss;
		else if (most - used - need < line - (rss < line ? rss : line))
			line = rss + (most - used - need);
	}
	limit_schedule(line > rss ? line - rss : 0);
	limit.above = rss >= line;
	return limit.above;
}

/* ---- holding a process that runs into its limit while we walk ---- */

static uint64_t limit_room_left(void)
{
	uint64_t most, used;

	limit_room(&most, &used);
	return most > used ? most - used : 0;
}

bool limit_hurries(void)
{
	const uint64_t walk_ns = limit.seen * LIMIT_WALK_NS_PER_BYTE;

	return limit.rate &&
		limit_room_left() / limit.rate < LIMIT_MARGIN * walk_ns / 1000000000u + 1;
}

void limit_waiting(struct job *job)
{
	if (job->copy != limit.copy) {
		limit.copy = job->copy;
		limit.room_at_fork = limit_room_left();
		return;
	}
	if (limit_room_left() < limit.room_at_fork / 2)
		gil_hold(job);
}
