/* SPDX-License-Identifier: MIT */
/*
 * owned_fd - a descriptor of ours among those of the application.
 *
 * It was made by somebody else in a process that may close it at any time
 * (os.closerange) and get the same number for a file of its own.  So its identity
 * (device and inode) is taken at the start and compared before each use: nothing is ever
 * written into a file of the application.
 */
#ifndef PYMEM_AGENT_SNAP_OWNED_FD_H
#define PYMEM_AGENT_SNAP_OWNED_FD_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
