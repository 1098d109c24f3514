/* SPDX-License-Identifier: MIT */
/*
 * control_client - asks an agent that a process carries from its start (LD_PRELOAD with
 * PYMEM_CONTROL=DIR): no ptrace, nothing is stopped, nothing is taken out after.
 *
 * The protocol is in agent/start.h, "Control socket".  The folder is found in
 * the process's environment as it was at its start, or in our own PYMEM_CONTROL;
 * it is looked at through /proc/PID/root, so other mount namespaces are no
 * hindrance.
 */
#ifndef PYMEM_LOADER_CAPTURE_CONTROL_CLIENT_H
#define PYMEM_LOADER_CAPTURE_CONTROL_CLIENT_H

#include <sys/types.h>

#include "agent/start.h"
#include "loader/base/load_error.h"
#include "loader/inject/inject.h"

/*
 * A connection to pid's agent, or -1 when there is none that answers (no folder,
 * no socket, another process behind it).  The caller closes it.
 */
int control_client_connect(pid_t pid);
/*
 * Sends the start block (its nonce is chosen here) with new channels over fd
 * and waits up to 2 s for the answer.  On success ret has our ends, a pidfd of
 * its own (control_client_close) and nothing that inject_eject would do.  0, or -1 with
 * *err: LOAD_E_BUSY, LOAD_E_TIMEOUT, LOAD_E_UNSUPPORTED (another version), LOAD_E_SYSTEM.
 */
int control_client_start(int fd, pid_t pid, const struct pymem_start *start,
			 struct injection *ret, struct load_error *err);
/* Closes what control_client_start gave. */
void control_client_close(struct injection *injection);

#endif
