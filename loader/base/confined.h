/* SPDX-License-Identifier: MIT */
/*
 * confined - a child of ours that gives up what it has, before it reads what a stranger
 * wrote: the keeper of a stream, the reader of a core.
 */
#ifndef PYMEM_LOADER_BASE_CONFINED_H
#define PYMEM_LOADER_BASE_CONFINED_H

#include <stddef.h>
#include <sys/types.h>

#include "formats/rights/sandbox.h"

/*
 * In a new child of one thread, which becomes `name` in /proc: keeps the descriptors 0 to
 * 2 and the `count` ones of `kept`, drops all rights (formats/rights), leaves no core,
 * ends with its parent, and may make the calls of the sandbox only, where the kernel has
 * filters.  Ends the process if it can't drop its rights, or the parent has gone.
 */
void confined_enter(const char *name, const int *kept, size_t count, pid_t parent,
		    enum sandbox sandbox);

#endif
