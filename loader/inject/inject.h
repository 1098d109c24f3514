/* SPDX-License-Identifier: MIT */
/*
 * inject - brings the agent into a process and takes it out again, harming
 * nothing.  The only way between the command (main, receive, report) and the
 * ptrace machinery below.
 *
 * Every function bounds its own time, leaves the target running whatever
 * happens, and returns 0 or -1 with *err filled: a code, one sentence that
 * names cause and remedy.
 */
#ifndef PYMEM_LOADER_INJECT_INJECT_H
#define PYMEM_LOADER_INJECT_INJECT_H

#include "loader/base/load_error.h"
#include "loader/inject/injection.h"

/*
 * Method agent: safe point, remote dlopen (or call of a kept agent), channels.  When it
 * returns the target runs freely and the agent's HELLO is on its way.  The
 * injection holds a lock on the process until inject_close.
 */
int inject_agent(pid_t pid, const struct inject_options *options, struct injection *ret,
		 struct load_error *err);
/*
 * Method external: one raw clone in the target, the agent runs in the copy, traced by a
 * helper process of ours until the copy ends (or inject_close).
 */
int inject_external(pid_t pid, const struct inject_options *options,
		    struct injection *ret, struct load_error *err);
/*
 * Method agent, after DONE: waits for the worker thread to be gone, second short stop,
 * dlclose, munmap of the stack, verification from /proc.  `keep`: only the
 * stack is unmapped.  External: kills and reaps the copy without a trace.
 * Adds to injection->stopped_ns.
 */
int inject_eject(struct injection *injection, const struct inject_options *options,
		 bool keep, struct load_error *err);
/*
 * Takes out an agent that an earlier injection left loaded (`keep`): one short
 * stop, dlclose, verification.  0 also when there is none; never while a job runs.
 */
int inject_remove(pid_t pid, const struct inject_options *options,
		  struct load_error *err);
/* Closes our ends and frees; does not touch the target. */
void inject_close(struct injection *injection);

#endif
