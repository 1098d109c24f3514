/* SPDX-License-Identifier: MIT */
/*
 * dump - the tables of a snapshot as an SQLite file (--export sqlite), for pandas,
 * Datasette, DuckDB.
 *
 * The schema is that of pymem-sql(7), user_version ENGINE_SCHEMA: snapshot, type, object
 * (key: snapshot and address; without root and path, which follow from parent, and
 * without shared), ref (without label), root, local, module, thread, frame, buffer, map,
 * fact, suspect, growth, and the view dominator.  Rows come in the order of addresses;
 * ref has no index.
 *
 * A large snapshot's references are written by a child (apart.h) into a file without a
 * name beside it, and joined (graft.h): two processors, where there are two.
 */
#ifndef PYMEM_VIEWER_QUERY_DUMP_H
#define PYMEM_VIEWER_QUERY_DUMP_H

#include "viewer/query/engine.h"

/*
 * Writes the file, which replaces one of that name once it is whole and on the disk.
 * 0, or -1 with engine->problem: nothing has changed then.
 */
int dump_write(struct engine *engine, const char *output);

#endif
