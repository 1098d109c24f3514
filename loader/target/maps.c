/* SPDX-License-Identifier: MIT */
/* maps - see maps.h. */
#include "loader/target/maps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/target/process.h"

#define MAPS_LIMIT ((size_t)256 << 20)

/* One line, already NUL-terminated; paths stay in place.  False if malformed. */
static bool maps_parse_line(char *line, struct map *m)
{
	unsigned long long start, end, offset, inode;
	unsigned major, minor;
	char prot[5];
	int used = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, prot, &offset,
		   &major, &minor, &inode, &used) < 7 ||
	    !used)
		return false;
	char *path = line + used;
	size_t length = strlen(path);
	static const char gone[] = " (deleted)";
	const size_t tail = sizeof(gone) - 1;
	*m = (struct map){ .start = start,
			   .end = end,
			   .offset = offset,
			   .inode = inode,
			   .dev = (uint64_t)major << 32 | minor,
			   .r = prot[0] == 'r',
			   .w = prot[1] == 'w',
			   .x = prot[2] == 'x',
			   .shared = prot[3] == 's',
			   .path = path };
	if (length > tail && !strcmp(path + length - tail, gone)) {
		m->deleted = true;
		path[length - tail] = 0;
	}
	return true;
}

int maps_parse(char *text, struct maps *ret)
{
	size_t lines = 1, count = 0;

	for (char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	struct map *list = calloc(lines, sizeof(*list));
	if (!list) {
		free(text);
		return -ENOMEM;
	}
	for (char *line = text; *line;) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = 0;
		if (maps_parse_line(line, &list[count]))
			count++;
		if (!next)
			break;
		line = next;
	}
	*ret = (struct maps){ .list = list, .count = count, .text = text };
	return 0;
}

int maps_read(pid_t pid, pid_t tid, struct maps *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/maps", pid, tid);
	char *text = process_read_text(path, MAPS_LIMIT, NULL);
	return text ? maps_parse(text, ret) : -errno;
}

bool maps_is_kept_from_copies(pid_t pid, uint64_t addr)
{
	char *text = process_read_own(pid, "smaps", 4 * MAPS_LIMIT, NULL), *next;
	bool inside = false, kept = false;

	for (char *line = text; line && *line && !kept; line = next) {
		unsigned long long start, end;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!strncmp(line, "VmFlags:", 8)) /* "dc": proc(5) */
			kept = inside && strstr(line, " dc");
		else if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			inside = start <= addr && addr < end;
	}
	free(text);
	return kept;
}

void maps_free(struct maps *maps)
{
	free(maps->list);
	free(maps->text);
	*maps = (struct maps){ 0 };
}

const struct map *maps_find(const struct maps *maps, uint64_t addr)
{
	size_t low = 0, high = maps->count;

	assert(maps->list || !maps->count);
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps->list[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < maps->count && maps->list[low].start <= addr)
		return &maps->list[low];
	return NULL;
}

const struct map *maps_named(const struct maps *maps, const char *path)
{
	assert(path && (maps->list || !maps->count));
	for (size_t i = 0; i < maps->count; i++)
		if (!strcmp(maps->list[i].path, path))
			return &maps->list[i];
	return NULL;
}
