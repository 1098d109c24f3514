/* SPDX-License-Identifier: MIT */
/*
 * stream - where the snapshot's bytes go: one or two fds (socket, pipe, file).
 *
 * Blocks when the receiver is slow, and says so in `blocked`, so that the
 * watchdog does not take a slow receiver for a hanging walk.  With a deadline
 * (in place mode, GIL held) a receiver that takes nothing for that long ends
 * the stream.  A failed first fd ends it; a failed second one is dropped.
 */
#ifndef PYMEM_AGENT_SNAP_STREAM_H
#define PYMEM_AGENT_SNAP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/snap/control_channel.h"

struct stream {
	struct owned_fd fd[2];
	bool check;   /* verify identity before each write (shared fd table) */
	int stall_ms; /* longest wait for the receiver, 0 = for ever */
	const struct control_channel
		*control;	 /* asked for CANCEL while writing; NULL = don't */
	volatile uint64_t bytes; /* written so far */
	volatile bool blocked;	 /* in a write now */
};

/* fd2 may be -1. */
void stream_open(struct stream *stream, int fd, int fd2);
void stream_close(struct stream *stream);
/* A snap_write_fn; arg is the struct stream. 0 or a negative errno. */
int stream_write(void *arg, const void *data, size_t size);

#endif
