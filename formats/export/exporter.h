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
	/*
	 * Writes the snapshot in the file at path ("-": standard input) to out.  Input
	 * that cannot be read twice is first copied to an unlinked temporary file.
	 * Truncated and damaged snapshots are exported as far as they go: *incomplete_ret
	 * gets how many of its processes are incomplete, *problem what is wrong with the
	 * last of them if that is known.  0, or -1 with *problem filled: SNAP_E_SINK when
	 * out cannot be written, SNAP_E_NOMEM.
	 */
	int (*run)(const char *path, FILE *out, uint32_t *incomplete_ret,
		   struct snap_problem *problem);
};

extern const struct exporter exporter_jsonl;
/* All of them, NULL-terminated, in the order of the help. */
extern const struct exporter *const exporter_all[];

/* NULL when no exporter has that name. */
const struct exporter *exporter_find(const char *name);

#endif
