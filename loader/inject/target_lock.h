/* SPDX-License-Identifier: MIT */
/*
 * target_lock - one loader at a time for a process.
 *
 * A lock (flock(2)) on the directory /proc/PID: it needs no file anywhere, ends
 * with its holder, and the number of a new process with the same pid is another
 * inode.  It keeps apart the loaders that see the process through the same
 * mount of /proc; others meet at the agent, which takes one job at a time.
 */
#ifndef PYMEM_LOADER_INJECT_TARGET_LOCK_H
#define PYMEM_LOADER_INJECT_TARGET_LOCK_H

#include <sys/types.h>

#include "loader/base/load_error.h"

/* An fd to close, or -1 with *err: LOAD_E_BUSY names the holder. */
int target_lock_take(pid_t pid, struct load_error *err);

#endif
