/* SPDX-License-Identifier: MIT */
/*
 * unfinished - temporary files that don't outlive an interrupted process.
 *
 * The first one installs handlers of SIGINT, SIGTERM, SIGHUP, SIGPIPE and SIGXFSZ where
 * nothing else heeds these: they remove the files, then the signal does what it does.
 * One thread only.
 */
#ifndef PYMEM_VIEWER_FILES_UNFINISHED_H
#define PYMEM_VIEWER_FILES_UNFINISHED_H

/* path is copied. Where there are too many (8) or it is too long, it isn't kept. */
void unfinished_add(const char *path);
/* It has its name now, or is gone. */
void unfinished_remove(const char *path);

#endif
