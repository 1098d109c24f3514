/* SPDX-License-Identifier: MIT */
/*
 * trigger - snapshots of our own accord, configured by the environment
 * (config.h), for LD_PRELOAD or a plain dlopen.
 *
 * In a process that isn't CPython, or without PYMEM_ variables, the constructor
 * looks at the environment and returns: no thread, no allocation.
 *
 * Else one thread sleeps in one system call (watch.c): until the interpreter is
 * up it looks every half millisecond; then it waits for a signal, a connection, what the
 * kernel has to say of memory, or the time.  Without a trigger that needs it (only
 * PYMEM_AT_EXIT, PYMEM_MEMORY_ERROR) it ends.  Whether this is CPython is known from a
 * weak reference to Py_IsInitialized, which the dynamic linker has resolved by then; a
 * program that loads libpython later by dlopen is not seen.
 *
 * What remains noticeable: a second thread.  CPython 3.12+ counts threads in
 * os.fork() and warns (DeprecationWarning) when there is more than one.
 */
#ifndef PYMEM_AGENT_TRIGGER_TRIGGER_H
#define PYMEM_AGENT_TRIGGER_TRIGGER_H

#include <stdbool.h>

#include "agent/trigger/control_socket.h"

/* In the constructor.  start: for requests on the control socket. */
void trigger_init(control_socket_start *start);
/* In the destructor. */
void trigger_exit(void);

#endif
