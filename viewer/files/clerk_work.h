/* SPDX-License-Identifier: MIT */
/*
 * clerk_work - the clerk's own side (clerk.h): what it is asked, and whether it may.
 *
 * A path that is no order's is refused; one that is, is followed with the rights of
 * root, as if root had opened it itself.  Only a sidecar goes where nobody named: beside
 * a snapshot whose owner is the viewer's user, which is looked at in the folder that the
 * sidecar is then made in, so that no link of a stranger's leads it elsewhere.
 */
#ifndef PYMEM_VIEWER_FILES_CLERK_WORK_H
#define PYMEM_VIEWER_FILES_CLERK_WORK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "viewer/files/clerk.h"

enum clerk_action {
	CLERK_OPEN,	    /* flags: as of files_open; answers with a descriptor */
	CLERK_OPEN_SPECIAL, /* a descriptor */
	CLERK_IS_SPECIAL,   /* 1 = yes */
	CLERK_KNOWS,	    /* 1 = would be made */
	CLERK_CREATE,	    /* a descriptor and a number */
	CLERK_COMMIT,	    /* flags: that number */
	CLERK_ABORT,	    /* the same */
	CLERK_LISTEN,	    /* a descriptor */
	CLERK_UNLISTEN,	    /* removes it */
};

struct clerk_word {
	uint32_t action;
	int32_t flags;
	char path[PATH_MAX];
};

struct clerk_answer {
	int32_t result; /* or a negative errno */
};

/* In the clerk: serves until the channel ends. */
_Noreturn void clerk_work(const struct clerk_orders *orders, int channel);

/* recvmsg and sendmsg with one descriptor (*fd_ret stays if none came; fd -1: none). */
ssize_t clerk_receive(int channel, void *data, size_t size, int *fd_ret);
bool clerk_send(int channel, const void *data, size_t size, int fd);

#endif
