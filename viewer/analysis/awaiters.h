/* SPDX-License-Identifier: MIT */
/*
 * awaiters - which task awaits a task.
 *
 * The one that has it, or a gathering of it, as what it waits for.  Else the one that is
 * waked by its end: asyncio.wait, wait_for (up to 3.11), as_completed and TaskGroup add a
 * callback to the task that completes a future of theirs, which the awaiting task waits
 * for; from the callback that future is reached in few steps (awaiters.c has the table:
 * Lib/asyncio/tasks.py, taskgroups.py, queues.py).  CPython 3.14 notes it itself
 * (awaited_by).
 */
#ifndef PYMEM_VIEWER_ANALYSIS_AWAITERS_H
#define PYMEM_VIEWER_ANALYSIS_AWAITERS_H

#include "viewer/analysis/tasks.h"

/* Sets `by` of struct tasks, which are sorted by node. 0 or -ENOMEM. */
int awaiters_find(const struct heap *heap, const struct vec *tasks);

#endif
