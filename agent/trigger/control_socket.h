/* SPDX-License-Identifier: MIT */
/*
 * control_socket - the control socket (PYMEM_CONTROL=DIR): pymem-load asks an agent
 * that is there already, without ptrace.  Protocol: agent/start.h, "Control socket".
 *
 * The directory must be ours and closed to others (0700; it is made so when it
 * isn't there), and the peer must be our user or root: checked by the kernel's
 * word (SO_PEERCRED).  One request a connection; a peer that says nothing for a
 * second is dropped.
 */
#ifndef PYMEM_AGENT_TRIGGER_CONTROL_SOCKET_H
#define PYMEM_AGENT_TRIGGER_CONTROL_SOCKET_H

#include <stdbool.h>

#include "agent/start.h"

/* Begins the capture asked for: pymem_agent_start, or what a test has in its place. */
typedef int control_socket_start(const struct pymem_start *start);

/* Listens in dir; "" = nothing to do. What goes wrong is a line on stderr. values:
 * whether whoever asks may have previews of values at all. */
void control_socket_open(const char *dir, bool values, control_socket_start *start);
/* To wait for (POLLIN); -1 = there is none, or the application closed our fd. */
int control_socket_fd(void);
/* Accepts one connection, reads one request, starts the capture, answers. */
void control_socket_answer(void);
/* In a forked child: the socket is our parent's. */
void control_socket_forget(void);
/* At exit: removes the socket's file. */
void control_socket_remove(void);

#endif
