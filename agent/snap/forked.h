/* SPDX-License-Identifier: MIT */
/*
 * forked - which pages of the process a fork left to share with others, noted before the
 * copy is made: from then on the copy shares them all.
 *
 * Without the GIL, on the worker's own thread, so that nothing waits for it; what the
 * application writes between this and the copy is missed.
 */
#ifndef PYMEM_AGENT_SNAP_FORKED_H
#define PYMEM_AGENT_SNAP_FORKED_H

#include "agent/base/pages.h"
#include "agent/snap/job.h"

/* Fills job->forked, which forked_forget gives back; leaves it alone where the kernel
 * doesn't tell, or there is no memory for it. */
void forked_note(struct job *job);
void forked_forget(struct job *job);

#endif
