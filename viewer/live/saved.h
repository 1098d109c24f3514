/* SPDX-License-Identifier: MIT */
/*
 * saved - what arrives, byte by byte, as files in a folder: pymem-TIME-N.pymem, TIME in
 * UTC (YYYYMMDDHHMMSS), N from 1 on.
 *
 * A file gets its name when its stream is over; one that ended early is kept as well, and
 * says itself that it is truncated.  The newest SAVED_FILES of a run stay.  Where root
 * runs the viewer and it became nobody, only the folder that it was started in can be
 * written to (files/clerk.h): ".".
 */
#ifndef PYMEM_VIEWER_LIVE_SAVED_H
#define PYMEM_VIEWER_LIVE_SAVED_H

#include <stddef.h>

enum { SAVED_FILES = 16 };

struct saved;	   /* a folder's */
struct saved_file; /* being written */

/* NULL: no memory. folder must outlive it. */
struct saved *saved_open(const char *folder);
void saved_close(struct saved *saved);

/* A new file; NULL with a reason in errno. */
struct saved_file *saved_begin(struct saved *saved);
/* More bytes of it. 0 or a negative errno. */
int saved_write(struct saved_file *file, const void *data, size_t size);
/* Keeps it, under its name, which is told in name[size]; older ones may go.  0 or a
 * negative errno. Gives it back. */
int saved_end(struct saved *saved, struct saved_file *file, char *name, size_t size);
/* It is nothing to be kept. NULL is fine. */
void saved_drop(struct saved_file *file);

#endif
