/* SPDX-License-Identifier: MIT */
/*
 * listener - a listening Unix socket that only its owner may connect to.
 *
 * umask is process-wide, so it is set around bind(2) only: unix(7) takes the mode of
 * the socket from it; a chmod afterwards would leave a moment in which others connect.
 *
 * Who finds the socket can connect to it: it gets its name when it is listened on, and
 * has another one, ".pymem-" and a number in the same folder, until then.
 */
#ifndef PYMEM_VIEWER_FILES_LISTENER_H
#define PYMEM_VIEWER_FILES_LISTENER_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { LISTENER_PATH_MAX = 107 }; /* of sun_path */

struct listener {
	int fd;				  /* -1 = none */
	char path[LISTENER_PATH_MAX + 1]; /* "" = somebody else removes it */
	dev_t dev; /* of what we made, so that only it is removed */
	ino_t ino;
};

/*
 * At path, in the place of a socket that nobody listens on any more.  0 or a negative
 * errno; -EADDRINUSE: something else is there.
 */
int listener_open(struct listener *ret, const char *path);
/* Accepts one waiting peer: its descriptor, and who it is (uid -1: unknown); -1: there is
 * none. */
int listener_accept(const struct listener *listener, struct ucred *peer_ret);
/* Closes it, if it is open, and removes what was made. */
void listener_close(struct listener *listener);

#endif
