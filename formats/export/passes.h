/* SPDX-License-Identifier: MIT */
/*
 * passes - an input that an export reads more than once.
 */
#ifndef PYMEM_FORMATS_EXPORT_PASSES_H
#define PYMEM_FORMATS_EXPORT_PASSES_H

#include <stdio.h>

#include "formats/core/reader.h"

/*
 * Opens the file at path, or standard input for "-".  What cannot seek is copied to an
 * unlinked temporary file in $TMPDIR or /tmp.  A file descriptor at the start of the
 * input, or -1 with *problem filled (SNAP_E_IO).
 */
int passes_open(const char *path, struct snap_problem *problem);
/* Reads all of it through the parser, from the start. As snap_read_fd, not strict. */
int passes_read(int fd, const struct snap_parser_ops *ops, void *arg,
		struct snap_problem *problem);
/*
 * After a pass ended with SNAP_E_SINK, or all are over: fills *problem (SNAP_E_SINK, a
 * sentence without a position in the input) with what stopped the consumer, when that
 * is the output it writes to, or memory. -1 when it did, else 0.
 */
int passes_blame(FILE *out, struct snap_problem *problem);

#endif
