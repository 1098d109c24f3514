/* SPDX-License-Identifier: MIT */
/*
 * apart - a process of its own for what may hang or crash: a clone of the copy.
 *
 * A function of a library may wait for a lock that a thread held which the copy doesn't
 * have.  Called there it would cost the snapshot; here it costs its own answer.
 */
#ifndef PYMEM_AGENT_SNAP_APART_H
#define PYMEM_AGENT_SNAP_APART_H

#include <stddef.h>

/* A walk_apart_fn (heap/core/options.h); the process has three seconds.  In a copy, on
 * its walking thread. */
int apart_run(void (*run)(void *), void *arg, size_t size);

#endif
