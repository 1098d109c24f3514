/* SPDX-License-Identifier: MIT */
/*
 * seccomp_own - what this process's own seccomp filters do to a forbidden call, found
 * out by making all of them, in a child.
 *
 * Inside a container nobody may read filters.  But the runtime puts the same one
 * around every process that it starts in a container: where the target is in our
 * control group and pid namespace, and has as many filters as we and as the process
 * that both come from (or the first of the namespace), ours are its own.  Filters are
 * inherited and never taken off: who has no more than that process has just the same
 * ones.  The child puts a filter of its own on top, by which no call is really made but
 * which every answer that would end it, or have it wait, takes precedence of
 * (seccomp(2)).
 */
#ifndef PYMEM_LOADER_TARGET_SECCOMP_OWN_H
#define PYMEM_LOADER_TARGET_SECCOMP_OWN_H

#include <stdbool.h>
#include <sys/types.h>

/* Are the filters of every thread of the process ours? False: not known. */
bool seccomp_own_around(pid_t pid);
/*
 * Does no call, with arguments of nothing but zeroes or ones, end a process under our
 * filters or make it wait?  Takes some milliseconds; one second where it does wait.
 */
bool seccomp_own_harmless(void);

#endif
