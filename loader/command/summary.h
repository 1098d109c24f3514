/* SPDX-License-Identifier: MIT */
/* summary - what was captured and what it cost, for people and for programs. */
#ifndef PYMEM_LOADER_COMMAND_SUMMARY_H
#define PYMEM_LOADER_COMMAND_SUMMARY_H

#include <stddef.h>
#include <stdio.h>

#include "loader/capture/capture.h"

/* A few lines per process. file: where the snapshot is ("-": standard output, NULL:
 * nowhere). */
void summary_text(FILE *out, const struct capture_result *result, const char *file);
/* Members of an object, each after a comma: what the process has alone and what it shares
 * with others (null: not known), in bytes. */
void summary_memory(FILE *out, const struct capture_result *result);
/*
 * {"schema":1,"snapshots":[...]}: one object per result, in order; files[i] is
 * its file or NULL.  Times in ns, sizes in bytes.
 */
void summary_json(FILE *out, const struct capture_result *results,
		  const char *const *files, size_t count);
/* Exit status for these results: 0 all complete, 1 all failed, 3 anything between. */
int summary_status(const struct capture_result *results, size_t count);

#endif
