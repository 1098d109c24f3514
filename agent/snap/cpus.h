/* SPDX-License-Identifier: MIT */
/*
 * cpus - how many CPUs this process may keep busy.
 *
 * The affinity mask says which ones; the quotas of its control group and of those above
 * it (cpu.max of version 2, cpu.cfs_quota_us of version 1) say for how much of the time:
 * a thread more than they pay for would only be stopped by the kernel for the rest of
 * each period, and the whole process with it.
 */
#ifndef PYMEM_AGENT_SNAP_CPUS_H
#define PYMEM_AGENT_SNAP_CPUS_H

/* At least 1. Reads files of /proc and /sys; any thread. */
unsigned cpus_allowed(void);

/* The least quota of the group `path` ("/a/b") and those above it, in whole CPUs but at
 * least 1, in the hierarchy mounted at root; 0: no quota, or none that can be read. */
unsigned cpus_of_group(const char *root, const char *path);

#endif
