/* SPDX-License-Identifier: MIT */
/*
 * channels - the two connections between the agent and us, made inside the
 * target and fetched from there.
 *
 * A socket pair is made in the target and our end taken by pidfd_getfd(2), which
 * looks at no namespace, and looked at: it must be of the pair that the target made.
 * Where that is refused or missing (before 5.6; a seccomp filter around us), pipes,
 * whose ends we open with the target's rights (foreign.h) on any kernel.  Our end of a
 * socket may still be read by the target: whoever reads it must never wait
 * (MSG_DONTWAIT); those of pipes are open files of our own, non-blocking.  Never a
 * listening socket of any kind.  The target's ends are moved to numbers from 1000 on,
 * out of the way of closefrom loops that stop earlier, and are close-on-exec.
 */
#ifndef PYMEM_LOADER_INJECT_CHANNELS_H
#define PYMEM_LOADER_INJECT_CHANNELS_H

#include "loader/inject/remote.h"

/*
 * Fills helper->fds (ours) and helper->result.remote_fd, remote_inode (theirs).
 * pidfd: of the process that the tracee is in, -1 = none.
 */
int channels_open(struct remote *remote, int pidfd, struct load_error *err);
/* Closes the target's ends, after a failure. Only what still is what we made. */
int channels_close_remote(struct remote *remote, const struct helper_result *ends,
			  struct load_error *err);
#endif
