/* SPDX-License-Identifier: MIT */
/* document - the formats for other programs that need the analysis, one file each: the
 * functions that export.c has in its table (struct document says what they owe). */
#ifndef PYMEM_VIEWER_DOCUMENT_DOCUMENT_H
#define PYMEM_VIEWER_DOCUMENT_DOCUMENT_H

#include <stdio.h>

#include "viewer/analysis/analysis.h"

/* For Chrome's DevTools and memlab. */
int heapsnapshot_write(FILE *out, struct analysis *analysis,
		       const struct progress *progress);

/* The object that has a number (DevTools' "@12345") in such a file of this heap; *ret is
 * HEAP_NONE when none has. 0 or -ENOMEM. */
int heapsnapshot_object(const struct heap *heap, uint32_t id, uint32_t *ret);
/* For pprof and what reads its profiles: gzipped profile.proto. */
int pprof_write(FILE *out, struct analysis *analysis, const struct progress *progress);
/* For speedscope. */
int speedscope_write(FILE *out, struct analysis *analysis,
		     const struct progress *progress);
/* The same three of allocation sites; -ENODATA: tracemalloc was not tracing. */
int pprof_write_sites(FILE *out, struct analysis *analysis,
		      const struct progress *progress);
int speedscope_write_sites(FILE *out, struct analysis *analysis,
			   const struct progress *progress);
int collapsed_write_sites(FILE *out, struct analysis *analysis,
			  const struct progress *progress);
/* One line a stack: for flamegraph.pl, inferno, speedscope. */
int collapsed_write(FILE *out, struct analysis *analysis,
		    const struct progress *progress);

#endif
