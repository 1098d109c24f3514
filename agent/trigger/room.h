/* SPDX-License-Identifier: MIT */
/*
 * room - how much memory this process may have, and how much is used: control groups v1
 * and v2 with every ancestor, the machine, RLIMIT_AS and RLIMIT_DATA.
 *
 * Page cache that the kernel can drop at once (inactive_file) is not use.  In a namespace
 * that hides a group's ancestors its root is the group itself.
 *
 * System calls only, no allocation; room_read and room_groups use buffers of their own:
 * one thread at a time.  Sources: Documentation/admin-guide/cgroup-v1/memory.rst,
 * cgroup-v2.rst, proc(5), cgroups(7) (several hierarchies: one line each in
 * /proc/self/cgroup, the one of v2 with the number 0).
 */
#ifndef PYMEM_AGENT_TRIGGER_ROOM_H
#define PYMEM_AGENT_TRIGGER_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROOM_PATH = 1100 };

/* A version of control groups, as its files are called. */
struct room_files {
	const char *max, *used, *cache;
	const char *high; /* from where on who asks is slowed down; NULL = none */
};
extern const struct room_files room_v1, room_v2;

/* Called for our memory group and each above it, up to the root; dir is its folder. */
typedef void room_visit(const struct room_files *files, const char *dir, void *arg);

/*
 * Visits the groups that account our memory, and those of v2 that we are in beside them
 * (where v1 has the memory, v2 may have its pressure).
 */
void room_groups(room_visit *visit, void *arg);

/* The number in dir/file; UINT64_MAX for "max" and for what can't be read. */
uint64_t room_number(const char *dir, const char *file);

/* The number of the line "name value" or "name: value kB" of a file; 0: not there. */
uint64_t room_field(const char *path, const char *name);

/* dir, "/" and file put together; false when that is too long. */
bool room_path(char *ret, size_t size, const char *dir, const char *file);

/* Smallest memory limit over this process in bytes, and what is used of it. */
void room_read(uint64_t *limit_ret, uint64_t *used_ret);

/* The least that is left under any of these limits, or of the machine, in bytes. */
uint64_t room_left(void);
/* ... or until the kernel slows down who asks for more (memory.high); 0 = it does. */
uint64_t room_left_unslowed(void);

/* Bytes of this process: address space, resident, data (what RLIMIT_DATA counts). */
struct room_self {
	uint64_t address_space, resident, data;
};
struct room_self room_self(void);

#endif
