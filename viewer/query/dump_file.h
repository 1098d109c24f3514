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

#define DUMP_FILE_URI "file:out?vfs=pymem"

/* From now on DUMP_FILE_URI is fd, which stays the caller's; one at a time.  An SQLite
 * result code. */
int dump_file_offer(int fd);
/* No more. */
void dump_file_withdraw(void);

#endif
