/* SPDX-License-Identifier: MIT */
/*
 * node - the columns that rows about a node have, in every relation that has such rows.
 * They come first in it, in the order of enum node_column; more may follow.
 */
#ifndef PYMEM_VIEWER_QUERY_NODE_H
#define PYMEM_VIEWER_QUERY_NODE_H

#include "viewer/query/relation.h"

enum node_column {
	NODE_SNAPSHOT,
	NODE_ADDRESS,
	NODE_TYPE,
	NODE_KIND,
	NODE_SIZE,
	NODE_RETAINED,
	NODE_RETAINED_COUNT,
	NODE_REFCOUNT,
	NODE_SURPLUS,
	NODE_DEPTH,
	NODE_PARENT,
	NODE_DOMINATOR,
	NODE_ROOT,
	NODE_MODULE,
	NODE_THREAD,
	NODE_LENGTH,
	NODE_VALUE,
	NODE_PATH,
	NODE_IMMORTAL,
	NODE_TRACKED,
	NODE_ALLOCATED,
	NODE_SITE,
	NODE_SHARED,
	NODE_COLUMN_COUNT
};

#define NODE_COLUMNS \
	"snapshot INTEGER, address ADDRESS, type TEXT, kind TEXT, size BYTES, " \
	"retained BYTES, retained_count INTEGER, refcount INTEGER, surplus INTEGER, " \
	"depth INTEGER, parent ADDRESS, dominator ADDRESS, root TEXT, module TEXT, " \
	"thread INTEGER, length INTEGER, value TEXT, path TEXT, immortal BOOLEAN, " \
	"tracked BOOLEAN, allocated TEXT, site INTEGER, shared TEXT"

/* Result of a column for a node of the cursor's snapshot. */
void node_column(struct relation_cursor *cursor, sqlite3_context *context, uint32_t node,
		 enum node_column column);
/* What a kind (enum snap_kind) is called: "str", "dict", ...; "object" for the rest. */
const char *node_kind_name(unsigned kind);

#endif
