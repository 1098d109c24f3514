/* SPDX-License-Identifier: MIT */
/*
 * unfinished - temporary files that don't outlive an interrupted process.
 *
 * ending.h removes them when a signal ends the viewer.  One thread only.
 */
#ifndef PYMEM_VIEWER_FILES_UNFINISHED_H
#define PYMEM_VIEWER_FILES_UNFINISHED_H

/* path is copied. Where there are too many (8) or it is too long, it isn't kept. */
void unfinished_add(const char *path);
/* It has its name now, or is gone. */
void unfinished_remove(const char *path);
/* Removes them all. signal-safety(7). */
void unfinished_unlink(void);

#endif
