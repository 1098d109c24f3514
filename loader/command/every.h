/* SPDX-License-Identifier: MIT */
/* every - pymem-load --every TIME [--count N] PID: a capture again and again. */
#ifndef PYMEM_LOADER_COMMAND_EVERY_H
#define PYMEM_LOADER_COMMAND_EVERY_H

#include "loader/command/session.h"

/*
 * Captures the session's process every options->every_ns, each into a file of
 * its own, until options->count captures were made, the process ends, or the
 * session's cancel_fd says so.  The agent stays loaded between captures and is
 * taken out at the end.  Returns the exit status: 0 when all were complete
 * (and, with a count, that many were made).
 */
int every_run(struct session *session);

#endif
