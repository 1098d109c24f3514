/* SPDX-License-Identifier: MIT */
/*
 * tool - what an assistant may ask: a name, arguments and the queries that answer.
 *
 * Answers are for reading, not data: a header, rows of "column value" with units, at
 * most so many bytes, and how to ask for what was left out.  What comes from the process
 * stands between two lines with a number that it can't know: it is data, whatever it
 * says.  Values of objects are left out unless the user allowed them (--values).
 */
#ifndef PYMEM_VIEWER_MCP_TOOL_H
#define PYMEM_VIEWER_MCP_TOOL_H

#include <jansson.h>

#include "viewer/query/engine.h"
#include "viewer/workspace.h"

/* What the server has open. */
struct tool_context {
	struct workspace workspace;
	struct engine engine;
	bool ready;  /* engine is open */
	bool values; /* previews of values may be told */
};

/* Nothing open; tool_context_close frees what it holds, not the struct. */
void tool_context_init(struct tool_context *s);
void tool_context_close(struct tool_context *s);
/* Adds a file, as the older one when `old`.  0, or -1 with one sentence in err. */
int tool_context_add(struct tool_context *s, const char *file, bool old, char *err,
		     size_t err_size);

/* The tools as tools/list gives them: a new reference; NULL: no memory. */
json_t *tool_list(void);
enum tool_result {
	TOOL_GOOD,
	TOOL_FAILED, /* not this time, or not this file: what to do instead is told */
	TOOL_WRONG   /* no such tool, or not its arguments: what there is is told */
};

/* Runs a tool and appends the answer, or what to ask instead.  arguments: an object, or
 * NULL. */
enum tool_result tool_call(struct tool_context *s, const char *name,
			   const json_t *arguments, struct text *out);

#endif
