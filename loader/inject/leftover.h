/* SPDX-License-Identifier: MIT */
/*
 * leftover - what a loader that was killed half-way left in a target.
 *
 * The region that remote_call.h describes carries a mark at the lowest address
 * of the worker's stack (which no stack reaches in use), and the agent's memfd
 * has a name: both are found again and given back by the next loader, if no
 * worker runs.  So are dead copies that nobody waits for: children that are
 * zombies, have no exit signal, and carry a copy's name.
 */
#ifndef PYMEM_LOADER_INJECT_LEFTOVER_H
#define PYMEM_LOADER_INJECT_LEFTOVER_H

#include "loader/inject/remote_call.h"

#define LEFTOVER_MAX 16
#define LEFTOVER_MARK "pymem: a stack\n"	/* 16 bytes with the NUL */

#define LEFTOVER_COPY_NAME "pymem-copy"	/* Plan B's; the agent's own: pymem-snap */

struct leftover {
	struct range region[LEFTOVER_MAX];
	int region_count;
	int memfd[LEFTOVER_MAX];
	int memfd_count;
	pid_t zombie[LEFTOVER_MAX];	/* as the target sees them */
	int zombie_count;
};

/* Looks in the maps and descriptors as /proc shows them now. */
void leftover_find(const struct target *target, struct leftover *ret);
static inline bool leftover_any(const struct leftover *l)
{
	return l->region_count || l->memfd_count || l->zombie_count;
}

/* Gives it back, through a borrowed thread. */
int leftover_remove(const struct leftover *leftover, struct remote *remote,
		    struct load_error *err);

#endif
