/* SPDX-License-Identifier: MIT */
/*
 * dump_file - SQLite's file is a descriptor that we have: the one of a new file without
 * a name (viewer/files), opened by whoever may.
 *
 * A file system (sqlite3_vfs) of one file: no journal, no locks, no other file.
 */
#ifndef PYMEM_VIEWER_QUERY_DUMP_FILE_H
#define PYMEM_VIEWER_QUERY_DUMP_FILE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DUMP_FILE_URI "file:out?vfs=pymem"

/* From now on DUMP_FILE_URI is fd, which stays the caller's; one at a time.  An SQLite
 * result code. */
int dump_file_offer(int fd);
/* No more. */
void dump_file_withdraw(void);

/* Bytes read from an offset, fewer than size at the file's end; or a negative errno. */
ssize_t dump_file_get(int fd, void *to, size_t size, uint64_t at);
/* All of them to an offset.  0 or a negative errno. */
int dump_file_put(int fd, const void *from, size_t size, uint64_t at);

#endif
