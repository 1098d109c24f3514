/* SPDX-License-Identifier: MIT */
/*
 * reply - the answer of a tool: parts, each the rows of a query under a title.
 *
 * A part has its share of the room, and what no other part needs.  One that is cut says
 * how to ask for the rest; one that has no rows, or none behind the offset, says so.
 */
#ifndef PYMEM_VIEWER_MCP_REPLY_H
#define PYMEM_VIEWER_MCP_REPLY_H

#include "viewer/query/engine.h"

struct reply {
	struct text *out;
	size_t end;   /* of out: where it is full */
	size_t parts; /* still to come, with the next one */
	bool begun;   /* there is a row */
};

struct reply_part {
	const char *title;
	const char *again; /* "ask again with" */
	uint64_t offset, limit;
};

/* Rows behind offset, at most limit, of the first statement of sql, which need not have
 * one.  *total_ret: how many rows there are; as many as are known to be.  False: the
 * engine's problem is in out. */
bool reply_put(struct reply *r, struct engine *engine, const struct reply_part *part,
	       const char *sql, uint64_t *total_ret);

#endif
