/* SPDX-License-Identifier: MIT */
/*
 * summary - what a process's heap comes to, in a few kilobytes of JSON: what many
 * processes can send to one place, where the graph itself can't go.
 *
 * One line a process.  Its members never change their meaning (SUMMARY.md has them):
 * who (host, pid, command, python, time), totals, and lists of rows: types, suspects,
 * places, budget, packages; with an older snapshot, growth.  Rows are those of the
 * reports of the same names; places are the frames of a profile (document/profile.h),
 * so that summaries of one program can be compared, whenever and wherever they were
 * taken.
 */
#ifndef PYMEM_VIEWER_FLEET_SUMMARY_H
#define PYMEM_VIEWER_FLEET_SUMMARY_H

#include <jansson.h>
#include <stdio.h>

#include "viewer/workspace.h"

enum {
	SUMMARY_SCHEMA = 1,
	SUMMARY_PLACES = 32 /* at most: with fewer, no place is left out */
};

/* All processes: documents (export.h). */
int summary_write(FILE *out, struct workspace *workspace,
		  const struct progress *progress);
int summary_write_metrics(FILE *out, struct workspace *workspace,
			  const struct progress *progress);

#endif
