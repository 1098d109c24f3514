/* SPDX-License-Identifier: MIT */
/*
 * door - the control socket (PYMEM_CONTROL=DIR): pymem-load asks an agent that is
 * there already, without ptrace.  Protocol: agent/start.h, "Control socket".
 *
 * The directory must be ours and closed to others (0700; it is made so when it
 * isn't there), and the peer must be our user or root: checked by the kernel's
 * word (SO_PEERCRED).  One request a connection; a peer that says nothing for a
 * second is dropped.
 */
#ifndef PYMEM_AGENT_TRIGGER_DOOR_H
#define PYMEM_AGENT_TRIGGER_DOOR_H

#include <stdbool.h>

/* Listens in dir; "" = nothing to do. What goes wrong is a line on stderr. values: whether
 * whoever asks may have previews of values at all. */
void door_open(const char *dir, bool values);
/* To wait for (POLLIN); -1 = no door, or the application closed our fd. */
int door_fd(void);
/* Accepts one connection, reads one request, starts the capture, answers. */
void door_answer(void);
/* In a forked child: the socket is our parent's. */
void door_forget(void);
/* At exit: removes the socket's file. */
void door_remove(void);

#endif
