/* SPDX-License-Identifier: MIT */
/*
 * clerk - the process that keeps root's rights when root runs the viewer.
 *
 * It reads no byte of any snapshot.  It waits for a word of the viewer, whose parser may
 * have been taken over by a hostile file, and does for it what the person who started
 * the viewer asked for, and no more:
 *
 *	opens, for reading, the snapshots that the command line names, their sidecars and
 *	their folders (to list pictures);
 *	makes the file that -o names, replacing it, and what a script names;
 *	makes the sidecar of a named snapshot, where the snapshot is its user's own;
 *	makes a new file in the folder it was started in (a picture, a screen), if the
 *	viewer became nobody: such a one replaces nothing;
 *	removes the snapshot, a file, that --consume goes with;
 *	makes the socket that --listen names, and removes it at the end.
 *
 * Under sudo all that it makes belongs to the user who called it; that user's own rights
 * suffice the viewer for what is typed into it.  The clerk ends when the viewer does.
 */
#ifndef PYMEM_VIEWER_FILES_CLERK_H
#define PYMEM_VIEWER_FILES_CLERK_H

#include <stdbool.h>
#include <stddef.h>

#include "viewer/files/files.h"

struct clerk_orders {
	const char *const *inputs; /* snapshots */
	size_t count;
	const char *output;  /* of -o, or NULL */
	const char *consume; /* of --consume: may be removed; or NULL */
	const char *listen;  /* of --listen, or NULL */
	const char *script;  /* of --script: what it names may be made; or NULL */
};

/*
 * Leaves a clerk with these orders behind and drops this process's rights; nothing
 * happens without rights beyond the user's own.  0 or a negative errno: the viewer must
 * not go on.  Forks: before there are threads.
 */
int clerk_start(const struct clerk_orders *orders);
/*
 * Has the clerk end and waits for that, a second at most; at exit it comes by itself.
 * Left behind it would be the child of whoever is first in this PID namespace, which may
 * be the application that we looked at.  signal-safety(7); nothing without a clerk.
 */
void clerk_leave(void);
/* Is there one? The functions below need it. */
bool clerk_works(void);
/* Would it open that file for reading? */
bool clerk_may_open(const char *path);
/* Would it make that file?  Else the viewer's own rights must do. */
bool clerk_knows(const char *path);

/* As those of files.h. */
int clerk_open(const char *path, int flags);
int clerk_open_special(const char *path);
bool clerk_is_special(const char *path);
int clerk_create(struct new_file *ret);
int clerk_commit(struct new_file *file);
void clerk_abort(struct new_file *file);
int clerk_remove(const char *path);
/* A listening Unix socket at the path of the orders; -1 with errno. */
int clerk_listen(const char *path);
/* Has it removed that; waits until it is. */
void clerk_unlisten(void);

#endif
