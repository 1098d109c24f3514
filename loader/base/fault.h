/* SPDX-License-Identifier: MIT */
/*
 * fault - the places where tests have pymem-load die, fail or be slow.
 *
 * Every step of a capture has a name.  With PYMEM_FAULTS compiled in, the variable
 * PYMEM_FAULT=WHAT:NAME does something at each step whose name begins with these words;
 * without, this is nothing.  WHAT:
 *	kill		loader and helper die by SIGKILL, as if one had killed both
 *	kill-loader	the loader alone		kill-helper	the helper alone
 *	fail		the step fails with EIO
 *	slow		it waits until the target's thread gives us up
 * In a helper (inject/helper.h) NAME may also be a number, that of the step, and N/
 * before it means only the helper that brings in (1) or takes out (2).
 * tests/e2e/test_killed.py finds all the names in the sources.
 */
#ifndef PYMEM_LOADER_BASE_FAULT_H
#define PYMEM_LOADER_BASE_FAULT_H

#include <sys/types.h>

enum fault {
	FAULT_NONE,
	FAULT_KILL,
	FAULT_KILL_LOADER,
	FAULT_KILL_HELPER,
	FAULT_FAIL,
	FAULT_SLOW
};

/* What is ordered for this step; step and ordinal: of a helper, else 0. */
enum fault fault_ordered(const char *name, unsigned step, unsigned ordinal);
/* FAULT_SLOW: until target's main thread, which waits for us, has given us up and sleeps
 * as it did before: a matter of its CPU time, so of the machine's load. */
void fault_dawdle(pid_t target);
/* A step of the loader itself: it dies there, if that's ordered. */
void fault_point(const char *name);

#endif
