/* SPDX-License-Identifier: MIT */
/*
 * filter - what a seccomp filter program answers to a system call.
 *
 * Two machines for the same programs: one runs a call whose arguments are known, the
 * other finds the worst answer to any of a range of calls, whatever their arguments:
 * it keeps intervals instead of values and follows both ways of a jump that they don't
 * decide.  Programs only jump forward, so one pass does.  What it can't know it takes
 * for the worst.  Format: linux/filter.h, linux/seccomp.h; meaning: net/core/filter.c.
 */
#ifndef PYMEM_LOADER_TARGET_FILTER_H
#define PYMEM_LOADER_TARGET_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_MAX 4096 /* BPF_MAXINSNS */

/* In rising order of harm. */
enum filter_effect {
	FILTER_ALLOWS,	/* it is made (and perhaps logged) */
	FILTER_REFUSES, /* an errno: nothing happens */
	FILTER_WAITS,	/* a supervisor is asked, who may never answer */
	FILTER_ENDS,	/* SIGSYS, or the end of the thread or the process */
};

/* The action (SECCOMP_RET_*) of one program for one call; KILL if it is malformed. */
uint32_t filter_run(const struct sock_filter *code, size_t count,
		    const struct seccomp_data *data);
/* Without a tracer that asked for it SECCOMP_RET_TRACE refuses (kernel/seccomp.c). */
enum filter_effect filter_effect(uint32_t action);
/* The worst for the calls first..last of this processor, with any arguments. */
enum filter_effect filter_worst(const struct sock_filter *code, size_t count,
				uint32_t first, uint32_t last);
/*
 * Is the call nr refused, with whatever arguments?  Not where the errno is ENOSYS: that
 * of a kernel which is older, and for that callers are prepared.
 */
bool filter_refuses(const struct sock_filter *code, size_t count, uint32_t nr);

#endif
