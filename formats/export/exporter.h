/* SPDX-License-Identifier: MIT */
/*
 * exporter - a snapshot written for other tools to read.  A format is one file with one
 * const struct exporter and one row in exporter.c.
 *
 * An exporter reads the snapshot as often as it needs to (passes.h), holds no more of it
 * than its head comment says, and escapes whatever text the target had.
 */
#ifndef PYMEM_FORMATS_EXPORT_EXPORTER_H
#define PYMEM_FORMATS_EXPORT_EXPORTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "formats/core/reader.h"

struct exporter {
	const char *name;  /* as pymem-view --export takes it */
	const char *title; /* for its --help */
	bool one_process;  /* the format holds one process: a pid may choose it */
	/*
	 * Writes the snapshot in the file at path ("-": standard input) to out; of
	 * formats that hold one process the one with that pid (0: the first).  Input that
	 * cannot be read twice is first copied to an unlinked temporary file.  Truncated
	 * and damaged snapshots are exported as far as they go.  *processes_ret gets how
	 * many processes the snapshot has where one_process is set, else it is left
	 * alone.  0, or -1 with *problem filled: SNAP_E_LIMIT when there is no such
	 * process or the format cannot hold as much; SNAP_E_SINK when out cannot be
	 * written.
	 */
	int (*run)(const char *path, uint64_t pid, FILE *out, uint32_t *processes_ret,
		   struct snap_problem *problem);
};

extern const struct exporter exporter_jsonl, exporter_heapsnapshot;
/* All of them, NULL-terminated, in the order of the help. */
extern const struct exporter *const exporter_all[];

/* NULL when no exporter has that name. */
const struct exporter *exporter_find(const char *name);

#endif
