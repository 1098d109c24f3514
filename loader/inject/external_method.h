/* SPDX-License-Identifier: MIT */
/*
 * external_method - one raw clone in the target, everything else in the copy.
 *
 * A clone without flags needs no lock and no library, so it may be made at any
 * instruction of any thread, also of a stopped, hung or finalizing process.  The
 * copy has no signal for its end: the application's wait() and SIGCHLD handlers never
 * see it.  It's born traced and frozen; its stack pointer leads to _exit, so
 * that a copy nobody leads any more ends instead of becoming a second
 * application.  In it all inherited descriptors are closed, the loader's locks
 * are reset (their holders aren't in the copy), and the agent is loaded and
 * walks.  Whatever goes wrong costs a copy.  After its end, a second short stop
 * has the application's process reap it.
 */
#ifndef PYMEM_LOADER_INJECT_EXTERNAL_METHOD_H
#define PYMEM_LOADER_INJECT_EXTERNAL_METHOD_H

#include "loader/inject/method_input.h"

/*
 * helper_work, input struct method_input: sends a first result when the agent runs in
 * the copy, stays until the copy ends or the loader says so, returns the last.
 */
int external_run(struct helper *helper, struct load_error *err);

#endif
