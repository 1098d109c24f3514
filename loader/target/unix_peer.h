/* SPDX-License-Identifier: MIT */
/*
 * unix_peer - which socket a local socket is connected to.
 *
 * The two ends of a socketpair(2) know each other, though nothing in /proc tells.  The
 * kernel's socket diagnosis does (sock_diag(7), UDIAG_SHOW_PEER), to any user, for the
 * sockets of the caller's own network namespace.  Inode numbers are no evidence: each
 * CPU hands them out from a batch of its own (fs/inode.c get_next_ino), so the ends of
 * one pair may be any distance apart if the thread changed its CPU between them.
 */
#ifndef PYMEM_LOADER_TARGET_UNIX_PEER_H
#define PYMEM_LOADER_TARGET_UNIX_PEER_H

#include <stdint.h>

/*
 * The inode of the other end of the unix socket with this inode.  0: it's not known
 * (no such socket in this network namespace, not connected, or the kernel has no
 * diagnosis).  Waits for nothing; any thread.
 */
uint64_t unix_peer_inode(uint64_t inode);

#endif
