/* SPDX-License-Identifier: MIT */
/*
 * control - the agent's end of the control channel (agent/start.h).
 *
 * The fds were made by somebody else in a process that may close them at any
 * time (os.closerange) and get the same numbers for its own files.  So their
 * identity (device and inode) is taken at the start and compared before each
 * use: nothing is ever written into a file of the application.
 *
 * Sends never block for long and never raise SIGPIPE; a message that cannot be
 * sent is lost, and the capture goes on or is cancelled by what it sees next.
 */
#ifndef PYMEM_AGENT_SNAP_CONTROL_H
#define PYMEM_AGENT_SNAP_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/start.h"

/* An fd and what it was when we got it. */
struct owned_fd {
	int fd; /* -1 = none */
	uint64_t device, inode;
	bool socket;
};

/* Remembers what fd is now; fd -1 is allowed. */
void owned_fd_set(struct owned_fd *own, int fd);
/* Still the same file? False for -1. */
bool owned_fd_ok(const struct owned_fd *own);
/* Closes it if it is still ours. */
void owned_fd_close(struct owned_fd *own);

struct control {
	struct owned_fd out; /* messages to the loader */
	struct owned_fd in;  /* CANCEL from it; may be the same fd; -1 = none */
	uint64_t nonce;
};

void control_open(struct control *control, int control_fd, int command_fd,
		  uint64_t nonce);
/* No commands come: what would be read are our own messages. */
void control_one_way(struct control *control);
/* Closes both ends. */
void control_close(struct control *control);

/* text may be NULL; cut at PYMEM_MSG_TEXT_MAX. Async-signal-safe. */
void control_send(const struct control *control, uint32_t type, uint64_t a, uint64_t b,
		  uint64_t c, uint64_t d, const char *text);
/* FAILED with a reason of enum pymem_fail. */
void control_fail(const struct control *control, uint32_t reason, int64_t errno_value,
		  const char *sentence);
/*
 * Has the loader asked to stop, or gone away?  Waits up to timeout_ms for that.
 * Without a command channel: sleeps and says no.
 */
bool control_cancelled(const struct control *control, int timeout_ms);

#endif
