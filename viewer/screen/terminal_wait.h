/* SPDX-License-Identifier: MIT */
/* terminal_wait - waits for a key, a new size or something else. */
#ifndef PYMEM_VIEWER_SCREEN_TERMINAL_WAIT_H
#define PYMEM_VIEWER_SCREEN_TERMINAL_WAIT_H

#include <poll.h>

#include "viewer/screen/terminal.h"

/*
 * Takes an event of the terminal into *ret; when there is none, waits at most
 * timeout ms (-1 = as long as it takes) for fds, of which the first is the
 * terminal's.  A SIGWINCH that comes at any time since the terminal was looked at
 * ends the wait.  poll's result; 0 when there was an event.  One thread.
 */
int terminal_wait(struct terminal *terminal, struct pollfd *fds, nfds_t count,
		  int timeout, struct event *ret);

#endif
