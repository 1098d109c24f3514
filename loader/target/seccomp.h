/* SPDX-License-Identifier: MIT */
/*
 * seccomp - the seccomp filters of one thread: would it live through what we plan?
 *
 * A container's usual filter answers a forbidden call with an errno; that of a
 * sandbox or of systemd's SystemCallFilter= ends the process.  No list says here what
 * calls an agent makes, since such a list is never complete (they depend on the C
 * library, the interpreter, the kernel): a thread whose filters could end it for any
 * call at all, with any arguments, runs nothing of ours unless its filters are
 * suspended meanwhile.  Filters are read by PTRACE_SECCOMP_GET_FILTER, which needs
 * CAP_SYS_ADMIN and a tracer without a filter of its own.
 */
#ifndef PYMEM_LOADER_TARGET_SECCOMP_H
#define PYMEM_LOADER_TARGET_SECCOMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/target/filter.h"

/* One more than the last call that a program could make: kernels know fewer than 512. */
#define SECCOMP_CALLS 1024

enum seccomp_mode { SECCOMP_NONE, SECCOMP_STRICT, SECCOMP_FILTERS };

struct seccomp_program {
	struct sock_filter *code;
	size_t count;
};

struct seccomp {
	enum seccomp_mode mode;
	struct seccomp_program *programs; /* all that judge the thread */
	size_t count;
};

/* Mode of one thread, as /proc says. */
enum seccomp_mode seccomp_mode(pid_t pid, pid_t tid);
/* Is any thread of the process under a filter (or in strict mode)? */
bool seccomp_confines(pid_t pid);
/* May this process read filters, and suspend them? Asked of a child of its own. */
bool seccomp_may_read(void);

/* Reads the filters of a stopped tracee.  0, or a negative errno: it has some that
 * can't be read.  The caller closes it either way. */
int seccomp_open(pid_t pid, pid_t tid, struct seccomp *ret);
void seccomp_close(struct seccomp *seccomp);

/* The worst that may become of call nr, whatever its arguments. */
enum filter_effect seccomp_worst(const struct seccomp *seccomp, long nr);
/* What becomes of one call, made at address pc. */
enum filter_effect seccomp_call(const struct seccomp *seccomp, long nr, uint64_t pc,
				const uint64_t arg[6]);
/* Is call nr refused with an errno, whatever its arguments (filter_refuses)? */
bool seccomp_refuses(const struct seccomp *seccomp, long nr);
/* Is there a call with an effect as bad as `least`? *nr_ret: the first. */
bool seccomp_reaches(const struct seccomp *seccomp, enum filter_effect least,
		     long *nr_ret);

#endif
