/* SPDX-License-Identifier: MIT */
/*
 * seccomp - would a target's seccomp filter kill it for what we plan to do?
 *
 * A container's usual filter answers a forbidden call with an errno; that of a
 * sandbox or of systemd's SystemCallFilter= kills.  Where it can be read
 * (PTRACE_SECCOMP_GET_FILTER, CAP_SYS_ADMIN), it is run here, on every planned
 * call, before any of them is made.  Format: linux/filter.h, linux/seccomp.h.
 */
#ifndef PYMEM_LOADER_TARGET_SECCOMP_H
#define PYMEM_LOADER_TARGET_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/target/process.h"

enum seccomp_verdict {
	SECCOMP_FINE,	    /* no filter, or nothing planned is fatal */
	SECCOMP_KILLS,	    /* a planned call would kill the process */
	SECCOMP_UNREADABLE, /* there is a filter and we may not read it */
};

struct seccomp_call {
	long nr;
	const char *name;
	uint64_t arg[6];
};

/*
 * Judges the calls of the agent's injection and work (agent true), or only those
 * of a bare copy.  tid: attached and stopped.  *culprit: name of the fatal call.
 */
enum seccomp_verdict seccomp_judge(pid_t tid, const struct process *process, bool agent,
				   const char **culprit);
/*
 * A filter that can't be read: is it that of a container runtime, which answers
 * with errnos?  True for known runtimes' cgroups, and when the same number of
 * filters is around ourselves.
 */
bool seccomp_is_container(const struct process *process);

/* The action (SECCOMP_RET_*) of one program for one call; KILL if it is malformed. */
uint32_t seccomp_run(const struct sock_filter *code, size_t count,
		     const struct seccomp_data *data);

#endif
