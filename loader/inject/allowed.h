/* SPDX-License-Identifier: MIT */
/*
 * allowed - may anything be done in this process, in this thread, seen its seccomp
 * filters?  Asked before anything is stopped, and again of the stopped thread.
 *
 * An agent runs in the process itself, with what filters the borrowed thread has: none
 * of them may end the process, or have it wait for a supervisor, at any call.  A frozen
 * copy is made and reaped by two calls of a thread whose filters are suspended as long
 * as we trace it.  The copy itself has them, or, if the user asks for it, has not.
 */
#ifndef PYMEM_LOADER_INJECT_ALLOWED_H
#define PYMEM_LOADER_INJECT_ALLOWED_H

#include "loader/inject/agent_image.h"
#include "loader/inject/tracee.h"

/*
 * Before any thread is touched.  0, or -1 with *err (LOAD_E_PERMISSION): it has filters
 * that can't be read, and isn't known to have those that we have ourselves.
 */
int allowed_process(struct target *target, struct load_error *err);
/* May an agent that is there already be asked for a capture? Else it's to be done by us.
 */
bool allowed_preloaded(pid_t pid);
/* 0, or -1 with *err (LOAD_E_STATE): the agent, or its removal, could be the end of it.
 */
/* image: also what that agent needs must not be refused; NULL: nothing is started. */
int allowed_agent(const struct tracee *tracee, const struct agent_image *image,
		  struct load_error *err);
/* The same of the removal of one: the filter has come since. */
int allowed_removal(const struct tracee *tracee, struct load_error *err);
/*
 * 0 and *suspend_ret: must the copy run without the filters?  It runs code of the process
 * (its C library, as the process has left it), which could then make any call: only if
 * the user says that the process may (inject_options.unfiltered), else -1 with *err.
 */
int allowed_copy_code(const struct tracee *tracee, const struct agent_image *image,
		      bool *suspend_ret, struct load_error *err);
/* The same of the calls that make a copy; suspended: the thread's filters are. */
int allowed_copy(const struct tracee *tracee, bool suspended, struct load_error *err);

#endif
