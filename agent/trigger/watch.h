/* SPDX-License-Identifier: MIT */
/*
 * watch - the thread that waits for triggers, and the signal handler that wakes
 * it.
 *
 * The thread sleeps in ppoll with no fds (or the control socket's), a timeout
 * only when an interval or a memory limit asks for one, and PYMEM_SIGNAL unblocked
 * just there.  The handler, on whatever thread it runs, sets a word and sends the
 * same signal to our thread; then it calls the handler that was there before it.
 *
 * The signal: our handler is installed once, in the constructor, unless the signal is
 * already ignored or handled, in which case a former handler is called after ours.
 * If the application (signal.signal) sets its own later, that replaces ours: its
 * handler wins, nothing of it is stolen, and the trigger is off.  Python code sees
 * getsignal() == None for the signal until then.
 *
 * The thread looks after that, soon after the start and after each fork, then ever more
 * seldom (10 ms, doubled up to 5 minutes): a default that the application put back would
 * end the process that is asked for a snapshot, so our handler is set again; that it has
 * a handler of its own is said once.
 */
#ifndef PYMEM_AGENT_TRIGGER_WATCH_H
#define PYMEM_AGENT_TRIGGER_WATCH_H

#include "agent/trigger/config.h"
#include "agent/trigger/control_socket.h"

/* Starts the thread (and, the first time, handles the signal). config is kept.
 * start: for requests on the control socket. */
int watch_start(const struct trigger_config *config, control_socket_start *start);
/* In libc's atfork handler of a child: forgets what belongs to the parent's thread.  Ours
 * starts once the interpreter says that the child is whole (hooks.h). */
void watch_forget(void);
/* At exit of the process: removes the control socket's file. */
void watch_exit(void);

#endif
