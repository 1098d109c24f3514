/* SPDX-License-Identifier: MIT */
/* export - a snapshot into a file of another format (formats/export/exporter.h). */
#ifndef PYMEM_VIEWER_EXPORT_H
#define PYMEM_VIEWER_EXPORT_H

#include "formats/export/exporter.h"

struct export
{
	const struct exporter *exporter;
	const char *input;  /* a snapshot's path, or "-" */
	const char *output; /* a path, or "-" */
	uint64_t pid;	    /* which process, where the format holds one; 0 = the first */
};

/*
 * Writes it.  A regular file is replaced once the new one is whole and on the disk; a
 * device or a pipe is written to.  *processes_ret: how many processes the snapshot has,
 * 0 when the format holds them all.  0, or -1 with *problem filled: SNAP_E_SINK when the
 * output could not be written.
 */
int export_run(const struct export *e, uint32_t *processes_ret,
	       struct snap_problem *problem);

#endif
