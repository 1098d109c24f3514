/* SPDX-License-Identifier: MIT */
/*
 * merge - summaries of many processes (summary.h) as one table: what grows where.
 *
 * A row for each command, version of Python and place: how many processes and hosts
 * have it, what it holds in all of them, how much that grew between the first and the
 * last summary of each process, and where most; first for each command a row of all its
 * memory, "(all)".  A place whose growth is nine tenths that of one below it is left out.
 * Where a place is not in a process's first summary, whose list is full, its smallest is
 * taken for what it was: it grew by that much at least, which the row says.
 */
#ifndef PYMEM_VIEWER_FLEET_MERGE_H
#define PYMEM_VIEWER_FLEET_MERGE_H

#include <jansson.h>

#include "viewer/report/table.h"

/* Appends the summaries of a file, one a line ("-": standard input), to list.  0, or -1
 * with a sentence in err. */
int merge_read(json_t *list, const char *file, char *err, size_t err_size);
/* How many of them are of snapshots that were cut short, as a clause; "": none. */
void merge_incomplete(const json_t *list, char *ret, size_t size);
/* The rows, those that grew most first, in *ret, which is initialised here and must be
 * freed in any case. 0 or -ENOMEM. */
int merge_table(const json_t *list, struct table *ret);

#endif
