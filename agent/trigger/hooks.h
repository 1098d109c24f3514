/* SPDX-License-Identifier: MIT */
/*
 * hooks - what sits inside the interpreter: PYMEM_AT_EXIT, PYMEM_MEMORY_ERROR
 * (memory_error.h), and the word that a child forked by the application is whole.
 *
 * All are installed by one pending call, so on the main thread between two
 * instructions, which needs no GIL of ours and works before 3.6 has made its; in 3.8 by
 * our thread under the GIL (cpython_pending_call_raises).
 *
 * At exit: a C function is registered with the atexit module (which is made, as an
 * import would, if the program hasn't imported it).  It is the first to be
 * registered and so the last to be called: the program's own exit functions have
 * run, nothing is torn down yet.
 * os._exit, an uncaught signal and multiprocessing's children, which leave by
 * os._exit, do not come by there.
 *
 * After a fork: a C function is registered with os.register_at_fork (3.7+), which
 * PyOS_AfterFork_Child calls last, outside of fork(), when the interpreter's own locks
 * are made anew: a thread can be started there as any program may.  3.6 has no such
 * function; there libc's handler in the child queues a pending call, which 3.6 does
 * without waiting for a lock.  A child that only runs another program (subprocess) comes
 * by neither.
 *
 * Whatever an installation runs into, it leaves the interpreter's current exception as
 * it was.
 *
 * Sources: Modules/posixmodule.c (PyOS_AfterFork_Child), Modules/atexitmodule.c,
 * Python/pylifecycle.c (Py_FinalizeEx) of CPython 3.6-3.15.
 */
#ifndef PYMEM_AGENT_TRIGGER_HOOKS_H
#define PYMEM_AGENT_TRIGGER_HOOKS_H

#include <stdbool.h>

#include "agent/python/binding.h"
#include "agent/trigger/config.h"

/*
 * Any thread, without the GIL, when the interpreter is initialised.  config is kept.
 * after_fork is called in each later child, on its only thread, with the GIL.  Waits for
 * the first two hooks, two seconds at most; not for the third.
 */
void hooks_install(const struct trigger_config *config, const struct cpython *py,
		   void (*after_fork)(void));

/* There is an interpreter: hooks_install will come. */
void hooks_await(const struct trigger_config *config);
/* Why no hook was called at the interpreter's exit, where one was wanted and nobody was
 * told; NULL: all is well. */
const char *hooks_missed_exit(const struct trigger_config *config);
/* None will come: that was told. */
void hooks_give_up(void);

/* In libc's atfork handler of a child. */
void hooks_in_child(void);

#endif
