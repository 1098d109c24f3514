/* SPDX-License-Identifier: MIT */
/*
 * rights - whose rights a process needs, and how it gives up the others.
 *
 * Bytes of a process or a file that may mean harm are looked at by processes that have
 * no more rights than the person who sits in front of them: started by sudo, those of
 * the user who called it (SUDO_UID and SUDO_GID, believed from nobody but root, and
 * only if the user database knows such a user), started by root itself those of
 * "nobody", else one's own without capabilities.  What is given up can't be had again:
 * no capability stays, not even in the bounding set, and no execve brings one back
 * (no_new_privs).
 *
 * Where the user cannot be changed (in a user namespace that maps only one) the process
 * keeps its number, and loses its capabilities all the same.
 */
#ifndef PYMEM_FORMATS_RIGHTS_RIGHTS_H
#define PYMEM_FORMATS_RIGHTS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rights {
	bool more; /* this process has more than its user's own: root or a capability */
	bool invoker; /* uid and gid are those of the user who called sudo */
	uid_t was;    /* when it was started */
	uid_t uid;    /* to become */
	gid_t gid;
};

/* What this process has, and is to become.  The first call, before threads, looks. */
const struct rights *rights_ours(void);
/*
 * Becomes that, for good: groups, user, capabilities, no_new_privs; nobody may trace a
 * process that had more.  0, or a negative errno: the process must not go on then.
 * The calling thread only: call it while it is the only one.
 */
int rights_drop(void);
/*
 * Gives a file or folder that this process has just made to the user who called sudo;
 * does nothing for others.  By descriptor only: a path may lead elsewhere meanwhile.
 */
void rights_give(int fd);
/*
 * Makes a folder with the mode, of the user who called sudo if there is one, by that
 * user's own rights where they suffice.  0 or -1 with errno (EEXIST: it was there).
 */
int rights_make_folder(const char *path, mode_t mode);
/* Closes all descriptors above 2 but the `count` ones of `kept`. */
void rights_close_others(const int *kept, size_t count);

/* May this be the owner of what we made earlier (a sidecar)? */
bool rights_is_own(uid_t owner);

#endif
