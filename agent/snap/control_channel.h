/* SPDX-License-Identifier: MIT */
/*
 * control_channel - the agent's end of the control channel (agent/start.h).
 *
 * Sends never block for long and never raise SIGPIPE; a message that cannot be
 * sent is lost, and the capture goes on or is cancelled by what it sees next.
 */
#ifndef PYMEM_AGENT_SNAP_CONTROL_CHANNEL_H
#define PYMEM_AGENT_SNAP_CONTROL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snap/owned_fd.h"
#include "agent/start.h"

struct control_channel {
	struct owned_fd out; /* messages to the loader */
	struct owned_fd in;  /* CANCEL from it; may be the same fd; -1 = none */
	uint64_t nonce;
};

/* The descriptors are ours from here on, as long as they are what they are now; -1 =
 * there is none (command_fd: commands come through control_fd when it is a socket). */
void control_channel_open(struct control_channel *control, int control_fd, int command_fd,
			  uint64_t nonce);
/* No commands come: what would be read are our own messages. */
void control_channel_one_way(struct control_channel *control);
/* Closes both ends. */
void control_channel_close(struct control_channel *control);

/* text may be NULL; cut at PYMEM_MSG_TEXT_MAX. Async-signal-safe. */
void control_channel_send(const struct control_channel *control, uint32_t type,
			  uint64_t a, uint64_t b, uint64_t c, uint64_t d,
			  const char *text);
/* FAILED with a reason of enum pymem_fail. */
void control_channel_fail(const struct control_channel *control, uint32_t reason,
			  int64_t errno_value, const char *sentence);
/*
 * Has the loader asked to stop, or gone away?  Waits up to timeout_ms for that.
 * Without a command channel: sleeps and says no.
 */
bool control_channel_cancelled(const struct control_channel *control, int timeout_ms);

#endif
