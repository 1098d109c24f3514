/* SPDX-License-Identifier: MIT */
/*
 * clerk_word - what the viewer and its clerk say to each other (clerk.h): a word, an
 * answer, and with either a descriptor.
 */
#ifndef PYMEM_VIEWER_FILES_CLERK_WORD_H
#define PYMEM_VIEWER_FILES_CLERK_WORD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum clerk_action {
	CLERK_OPEN,	    /* flags: as of files_open; answers with a descriptor */
	CLERK_MAY_OPEN,	    /* 1 = the command line names it */
	CLERK_OPEN_SPECIAL, /* a descriptor */
	CLERK_IS_SPECIAL,   /* 1 = yes */
	CLERK_KNOWS,	    /* 1 = would be made */
	CLERK_CREATE,	    /* a descriptor and a number */
	CLERK_COMMIT,	    /* flags: that number */
	CLERK_ABORT,	    /* the same */
	CLERK_REMOVE,	    /* a snapshot */
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

/* recvmsg and sendmsg with one descriptor (*fd_ret stays if none came; fd -1: none). */
ssize_t clerk_receive(int channel, void *data, size_t size, int *fd_ret);
bool clerk_send(int channel, const void *data, size_t size, int fd);

#endif
