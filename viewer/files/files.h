/* SPDX-License-Identifier: MIT */
/*
 * files - every file that the viewer opens or makes by name.
 *
 * Whoever parses a snapshot has no more rights than it needs (formats/rights): run by
 * root, the viewer is nobody or the user who called sudo.  Before it becomes that it
 * leaves a clerk behind (clerk.h), a child with the old rights that opens and makes what
 * the command line names, and nothing else.  Without more rights than the user's own
 * there is no clerk, and these functions open and make by themselves.
 *
 * A new file is written without its name, and gets it when it is whole; when the
 * process is interrupted before, it is removed (unfinished).
 */
#ifndef PYMEM_VIEWER_FILES_FILES_H
#define PYMEM_VIEWER_FILES_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "viewer/files/listener.h"

struct new_file {
	int fd;			  /* to write to; closed by commit and abort */
	char path[PATH_MAX];	  /* the name it will have */
	char temporary[PATH_MAX]; /* the one it has; "" = the clerk knows */
	int number;		  /* the clerk's */
	bool hasty;		  /* set by the caller: a crash may lose it */
};

/* Reading. flags: O_NONBLOCK, O_NOFOLLOW, O_DIRECTORY or 0. -1 = errno says why; without
 * O_NONBLOCK a writer of a pipe is waited for, some seconds: ENODATA. */
int files_open(const char *path, int flags);
/* What an errno of files_open means. */
const char *files_error(int err);
/* Whether there is no rule against it: run by root, only what the command line names. */
bool files_may_open(const char *path);
/* Writing what is there and no regular file (a pipe, a device). -1 with errno. */
int files_open_special(const char *path);
/* Is there something of that name that is no regular file? */
bool files_is_special(const char *path);
/*
 * Mode 0600, in path's folder; replaces what is there.  0 or a negative errno (ELOOP:
 * that is a symbolic link).
 */
int files_create(struct new_file *ret, const char *path);
/* All of it, to a descriptor that waits.  0 or a negative errno. */
int files_write(int fd, const void *data, size_t size);
/* Whole: on the disk, then by its name. 0 or a negative errno: then it is gone. */
int files_commit(struct new_file *file);
/* Not to be kept. */
void files_abort(struct new_file *file);

/* Removes a snapshot that is of no more use; nothing but a regular file. 0 or a negative
 * errno. */
int files_remove(const char *path);

/* A listening socket (listener.h), removed when it is closed. 0 or a negative errno. */
int files_listen(struct listener *ret, const char *path);
/* Closes it, if there is one, and waits until it is removed. */
void files_unlisten(struct listener *listener);

#endif
