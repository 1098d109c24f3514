/* SPDX-License-Identifier: MIT */
/*
 * side_by_side - several captures at the same time.
 *
 * Each runs in a child process of its own (ptrace belongs to one process and
 * its waits would mix; and what ends one must not end the others) and writes
 * into an unnamed file of its own; results and progress come back through a
 * socket.  The parent then puts the parts together in the order asked for.
 */
#ifndef PYMEM_LOADER_CAPTURE_SIDE_BY_SIDE_H
#define PYMEM_LOADER_CAPTURE_SIDE_BY_SIDE_H

#include <stddef.h>

#include "loader/capture/capture.h"

/*
 * Runs jobs[0..count), each with its own part (whose fd is only written to by
 * its child).  results[i] is filled for every i.  A job with plan == NULL is
 * left out: its result stays as it is.
 */
void side_by_side_run(const struct capture_job *jobs, size_t count,
		      struct capture_result *results);

#endif
