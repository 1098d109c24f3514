/* SPDX-License-Identifier: MIT */
/*
 * warden - the process that the user started, which never touches a target itself.
 *
 * All work is done by a child of it.  A file system of a target's own (FUSE) can keep
 * whoever looks at its files, or at memory that is mapped from them, in a wait that
 * not even SIGKILL ends (fs/fuse/dev.c request_wait_answer).  Then the child stays
 * behind, until that file system answers or ends, and the warden returns to its user.
 *
 * Else the child is as if it were the program: same process group and terminal; signals
 * that are sent to the warden alone are passed on; it stops, ends and dies by the same
 * signal as the child, and the child dies with it.
 */
#ifndef PYMEM_LOADER_BASE_WARDEN_H
#define PYMEM_LOADER_BASE_WARDEN_H

/*
 * Forks.  In the child it returns a descriptor: a byte written there is an exit status,
 * with which the warden ends soon whatever becomes of the child; -1: there is none, and
 * this is the process that was started.  In the warden it never returns.
 */
int warden_begin(void);

#endif
