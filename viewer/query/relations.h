/* SPDX-License-Identifier: MIT */
/*
 * relations - the list of all relations (relation.h), and their registration: above
 * them, since they use what they have in common.
 */
#ifndef PYMEM_VIEWER_QUERY_RELATIONS_H
#define PYMEM_VIEWER_QUERY_RELATIONS_H

#include "viewer/query/relation.h"

extern const struct relation *const relations_all[]; /* NULL-terminated */

/* Makes all relations, and one for each report, tables of a connection.  catalog must
 * outlive the connection.  An SQLite result code. */
int relations_register(sqlite3 *db, struct catalog *catalog);

#endif
