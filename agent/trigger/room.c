/* SPDX-License-Identifier: MIT */
/* room - see room.h. */
#include "agent/trigger/room.h"

#include <string.h>
#include <unistd.h>

#include "agent/base/sys.h"
#include "agent/base/phrase.h"

const struct room_files room_v1 = { "memory.limit_in_bytes", "memory.usage_in_bytes",
				    "total_inactive_file", NULL };
const struct room_files room_v2 = { "memory.max", "memory.current", "inactive_file",
				    "memory.high" };

/* Where each is mounted; the second place of v2 is beside groups of v1 (systemd's
 * "hybrid"), where the first is only a folder. */
static const struct {
	const struct room_files *files;
	const char *controller; /* in /proc/self/cgroup */
	const char *root;
	const char *there; /* a file that each group there has */
} room_places[] = {
	{ &room_v1, "memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
	{ &room_v2, "", "/sys/fs/cgroup", "cgroup.procs" },
	{ &room_v2, "", "/sys/fs/cgroup/unified", "cgroup.procs" },
};

bool room_path(char *ret, size_t size, const char *dir, const char *file)
{
	struct phrase t;

	phrase_init(&t, ret, size);
	phrase_str(&t, dir);
	phrase_str(&t, "/");
	phrase_str(&t, file);
	return !t.cut;
}

uint64_t room_number(const char *dir, const char *file)
{
	char path[ROOM_PATH + 64], buf[64];
	const char *s = buf;
	uint64_t v;

	if (!room_path(path, sizeof(path), dir, file) ||
	    sys_read_file(path, buf, sizeof(buf)) <= 0 || !phrase_parse_u64(&s, &v))
		return UINT64_MAX;
	return v;
}

uint64_t room_field(const char *path, const char *name)
{
	static char buf[16384];
	const size_t length = strlen(name);
	const char *s = buf;
	uint64_t v;

	if (sys_read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	for (; s; s = (s = strchr(s, '\n')) ? s + 1 : NULL) {
		if (strncmp(s, name, length) != 0 ||
		    (s[length] != ' ' && s[length] != ':'))
			continue;
		for (s += length; *s == ':' || *s == ' '; s++)
			;
		return phrase_parse_u64(&s, &v) ? v : 0;
	}
	return 0;
}

struct room_self room_self(void)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t pages[7] = { 0 }; /* size resident shared text lib data dirty */
	char buf[160];
	const char *s = buf;

	if (sys_read_own("statm", buf, sizeof(buf)) <= 0)
		return (struct room_self){ 0 };
	for (unsigned i = 0; i < 7 && phrase_parse_u64(&s, &pages[i]); i++) {
		if (*s == ' ')
			s++;
	}
	return (struct room_self){ pages[0] * page, pages[1] * page, pages[5] * page };
}

/* A group and all above it. */
static void room_up(const struct room_files *files, const char *root, const char *path,
		    room_visit *visit, void *arg)
{
	char buf[ROOM_PATH];
	struct phrase dir;

	phrase_init(&dir, buf, sizeof(buf));
	phrase_str(&dir, root);
	const size_t least = dir.used;

	phrase_str(&dir, path);
	for (;;) {
		while (dir.used > least && buf[dir.used - 1] == '/')
			dir.used--;
		buf[dir.used] = '\0';
		visit(files, buf, arg);
		if (dir.used == least)
			return;
		while (dir.used > least && buf[dir.used - 1] != '/')
			dir.used--;
	}
}

static void room_groups_of(const char *controllers, const char *path, room_visit *visit,
			   void *arg)
{
	char file[256];

	for (size_t i = 0; i < sizeof(room_places) / sizeof(room_places[0]); i++) {
		if (strcmp(controllers, room_places[i].controller) != 0 ||
		    !room_path(file, sizeof(file), room_places[i].root,
			       room_places[i].there) ||
		    sys3(SYS_faccessat, AT_FDCWD, file, 0) < 0)
			continue;
		room_up(room_places[i].files, room_places[i].root, path, visit, arg);
		return;
	}
}

void room_groups(room_visit *visit, void *arg)
{
	static char buf[8192];
	char *line = buf, *next;

	if (sys_read_own("cgroup", buf, sizeof(buf)) <= 0)
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
		room_groups_of(controllers + 1, path, visit, arg);
	}
}

struct room_tightest {
	uint64_t limit, used; /* of the smallest limit */
	uint64_t left;	      /* the least under any */
	uint64_t unslowed;    /* ... or until asking for memory is slowed down */
	uint64_t machine;     /* all its memory */
};

/* Page cache that can be dropped isn't use. */
static bool room_use(const struct room_files *files, const char *dir, uint64_t *ret)
{
	char path[ROOM_PATH + 64];
	uint64_t used, cache;

	if (!room_path(path, sizeof(path), dir, "memory.stat"))
		return false;
	used = room_number(dir, files->used);
	cache = room_field(path, files->cache);
	*ret = used == UINT64_MAX ? 0 : used > cache ? used - cache : 0;
	return true;
}

static uint64_t room_below(uint64_t limit, uint64_t used)
{
	return limit > used ? limit - used : 0;
}

static void room_tighten(const struct room_files *files, const char *dir, void *arg)
{
	struct room_tightest *const r = arg;
	const uint64_t max = room_number(dir, files->max);
	const uint64_t high = files->high ? room_number(dir, files->high) : UINT64_MAX;
	const uint64_t nearer = high < max ? high : max;
	uint64_t used;

	/* one that is larger than the machine, as v1's "no limit", is none */
	if (nearer >= r->machine || !room_use(files, dir, &used))
		return;
	if (max < r->limit) {
		r->limit = max;
		r->used = used;
	}
	if (room_below(max, used) < r->left)
		r->left = room_below(max, used);
	if (room_below(nearer, used) < r->unslowed)
		r->unslowed = room_below(nearer, used);
}

static struct room_tightest room_look(void)
{
	struct room_tightest r;

	r.limit = r.machine = room_field("/proc/meminfo", "MemTotal") << 10;
	r.left = r.unslowed = room_field("/proc/meminfo", "MemAvailable") << 10;
	r.used = r.limit - r.left;
	room_groups(room_tighten, &r);
	return r;
}

void room_read(uint64_t *limit_ret, uint64_t *used_ret)
{
	const struct room_tightest r = room_look();

	*limit_ret = r.limit;
	*used_ret = r.used;
}

uint64_t room_left(void)
{
	return room_look().left;
}

uint64_t room_left_unslowed(void)
{
	return room_look().unslowed;
}
