/* SPDX-License-Identifier: MIT */
/* maps - the memory map of a process, read from /proc/PID/task/TID/maps. */
#ifndef PYMEM_LOADER_TARGET_MAPS_H
#define PYMEM_LOADER_TARGET_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct map {
	uint64_t start, end; /* [start, end) */
	uint64_t offset, inode;
	uint64_t dev; /* major << 32 | minor, as printed */
	bool r, w, x, shared;
	bool deleted;	  /* " (deleted)" was cut off the path */
	const char *path; /* "" if anonymous; lives as long as the struct maps */
};

struct maps {
	struct map *list; /* ascending */
	size_t count;
	char *text; /* owns the paths */
};

/*
 * 0 or a negative errno.  tid: any live thread of pid (the maps of a dead leader
 * are empty).  The text is read in pages: while other threads map and unmap it
 * isn't one instant's truth.
 */
int maps_read(pid_t pid, pid_t tid, struct maps *ret);
/* The same of a malloc'ed text, which becomes theirs (freed on an error). */
int maps_parse(char *text, struct maps *ret);
void maps_free(struct maps *maps);
/* Is addr in memory that copies of the process don't get (madvise(2), MADV_DONTFORK)?
 * Slow: reads /proc/PID/smaps. */
bool maps_is_kept_from_copies(pid_t pid, uint64_t addr);
/* The mapping that holds addr, or NULL. */
const struct map *maps_find(const struct maps *maps, uint64_t addr);
/* First mapping whose path is exactly this, or NULL. */
const struct map *maps_named(const struct maps *maps, const char *path);

#endif
