/* SPDX-License-Identifier: MIT */
/*
 * headroom - how much memory (and how many tasks) a process may still take
 * before somebody's limit is hit: of every ancestor cgroup, v1 and v2, and of
 * the machine.
 *
 * The folders are looked up once; reading them again is cheap (a few small
 * files), so a watch can be polled while a copy of the process walks.  Page
 * cache that the kernel would drop first (inactive_file) counts as free.
 * Cgroups that cannot be seen from here (other namespaces, nothing mounted)
 * are left out: the answer is then an upper bound.
 */
#ifndef PYMEM_LOADER_CAPTURE_HEADROOM_H
#define PYMEM_LOADER_CAPTURE_HEADROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HEADROOM_LEVELS = 32 };

struct headroom_level {
	char dir[512]; /* the cgroup's folder */
	bool v2, pids; /* pids: a v1 pids hierarchy; else memory */
};

struct headroom_watch {
	char root[256]; /* prefix of every path read; "" outside of tests */
	struct headroom_level levels[HEADROOM_LEVELS];
	unsigned count;
};

struct headroom {
	uint64_t free;	 /* bytes; the least of all levels and the machine */
	uint64_t limit;	 /* of that level; the machine's total memory if that is it */
	char where[600]; /* that level, for people */
	bool cgroup;	 /* it is a cgroup, not the machine */
	bool oom_group;	 /* some ancestor kills as a group (memory.oom.group) */
	uint64_t tasks;	 /* tasks that may still be made; UINT64_MAX = no limit known */
};

/* Looks the cgroups of pid up. root: "" (tests: a folder with proc/ and mounts). */
void headroom_open(struct headroom_watch *ret, const char *root, pid_t pid);
void headroom_read(const struct headroom_watch *watch, struct headroom *ret);

#endif
