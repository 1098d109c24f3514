/* SPDX-License-Identifier: MIT */
/*
 * server - the Model Context Protocol on two streams: JSON-RPC 2.0, one message a line.
 *
 * It answers initialize, ping, tools/list and tools/call; anything else is an unknown
 * method.  A line that is no JSON, no request, or too long, is answered by an error and
 * forgotten; it ends when the input ends or the output is closed.
 */
#ifndef PYMEM_VIEWER_MCP_SERVER_H
#define PYMEM_VIEWER_MCP_SERVER_H

#include <stdio.h>

#include "viewer/mcp/tool.h"

#define SERVER_LINE_MAX (4u << 20)
#define SERVER_BATCH_MAX 100 /* requests in one line */

/* Serves until the end of in.  0; -1: out could not be written. */
int server_run(struct tool_context *context, FILE *in, FILE *out);
/* One message, or a list of them, of size bytes without its line end: the answer as text,
 * to be freed; NULL: it needs none, or there is no memory. */
char *server_answer(struct tool_context *context, const char *line, size_t size);

#endif
