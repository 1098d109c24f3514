/* SPDX-License-Identifier: MIT */
/*
 * shell - queries from the command line (--sql) and one after another from standard
 * input (--sql-shell), answered through a renderer.
 */
#ifndef PYMEM_VIEWER_QUERY_SHELL_H
#define PYMEM_VIEWER_QUERY_SHELL_H

#include <stdio.h>

#include "viewer/query/engine.h"
#include "viewer/render/render.h"

/*
 * Runs every statement of sql and prints its answer; people get at most `limit` rows of
 * one (0: all).  The exit code: 0; 1 it was stopped, or there is no memory; 2 the query
 * is wrong.  What is wrong is said on stderr.
 */
int shell_run(struct engine *engine, const char *sql, const struct renderer *renderer,
	      uint64_t limit, FILE *out);
/*
 * Reads statements, each ended by ;, and commands (.help) from in until it ends.  A
 * wrong one is said on stderr and forgotten.  prompt: in is a person.  Exit code: that
 * of the last failure, 0 without one or when a person asked.
 */
int shell_loop(struct engine *engine, const struct renderer *renderer, uint64_t limit,
	       FILE *in, FILE *out, bool prompt);

#endif
