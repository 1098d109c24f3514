/* SPDX-License-Identifier: MIT */
/* export - a snapshot into a file of another format (formats/export/exporter.h). */
#ifndef PYMEM_VIEWER_EXPORT_H
#define PYMEM_VIEWER_EXPORT_H

#include "formats/export/exporter.h"
#include "viewer/workspace.h"

struct export
{
	const struct exporter *exporter;
	const char *input;  /* a snapshot's path, or "-" */
	const char *output; /* a path, or "-" */
};

/* A format that needs the analysis: it is written from the open workspace, in which all
 * processes are and what they are compared with, or it is of one process. */
struct document {
	const char *name;  /* as --export takes it */
	const char *title; /* for --help */
	/* One of these. 0, -ENOMEM, -ECANCELED, -EFBIG (the format cannot hold as much);
	 * errors of the stream are its own. */
	int (*write)(FILE *out, struct workspace *workspace,
		     const struct progress *progress);
	int (*write_process)(FILE *out, struct analysis *analysis,
			     const struct progress *progress);
};

/* All of them, NULL-terminated, in the order of the help. */
extern const struct document *const document_all[];
/* The one of --format openmetrics. */
extern const struct document document_openmetrics;
/* NULL when no document has that name. */
const struct document *document_find(const char *name);
/*
 * Writes a document to output ("-": standard output), as export_run does; one of one
 * process from that process, which must be analysed.  0, or -1 with *problem filled.
 */
int document_run(const struct document *document, const char *output,
		 struct workspace *workspace, struct process *process,
		 const struct progress *progress, struct snap_problem *problem);

/*
 * Writes it.  A regular file is replaced once the new one is whole and on the disk; a
 * device or a pipe is written to.  *incomplete_ret: how many of its processes are
 * incomplete; what is wrong with the last one is in *problem then, if it is known.  0, or
 * -1 with *problem filled: SNAP_E_SINK when the output could not be written.  progress:
 * NULL, or told how much is written; it can't stop this.
 */
int export_run(const struct export *e, const struct progress *progress,
	       uint32_t *incomplete_ret, struct snap_problem *problem);

#endif
