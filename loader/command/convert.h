/* SPDX-License-Identifier: MIT */
/*
 * convert - a finished snapshot as what was asked for in its place: a summary or a
 * profile (--summary, --profile; pymem-view's exports), which pymem-view makes here, from
 * a file without a name that is gone afterwards.
 */
#ifndef PYMEM_LOADER_COMMAND_CONVERT_H
#define PYMEM_LOADER_COMMAND_CONVERT_H

#include "loader/output/output.h"

/* The file that becomes it: as output_open; NULL or "-": standard output, which may be
 * a terminal. */
int convert_open(struct output *ret, const char *name, uint64_t number, int pid,
		 char error[512]);
/*
 * Has pymem-view write format of the snapshot in fd (from its start; compared with an
 * older one, or NULL) into output, which gets its name then (output_commit).  0; 3: the
 * snapshot is incomplete; or -1 with a sentence.
 */
int convert_run(const char *viewer, const char *format, int snapshot, const char *compare,
		struct output *output, char error[512]);

#endif
