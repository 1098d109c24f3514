/* SPDX-License-Identifier: MIT */
/*
 * export_jsonl - a snapshot as JSON, one line per thing; SNAPSHOT.md lists the lines.
 *
 * The input is read three times: first which objects are keys of dicts, then what those
 * look like, then everything is written.  Memory is bounded by the definitions (strings,
 * types, shapes), the different key objects (about 60 bytes each and their previews) and
 * the largest object's references; not by the number of objects.
 */
#ifndef PYMEM_FORMATS_EXPORT_EXPORT_JSONL_H
#define PYMEM_FORMATS_EXPORT_EXPORT_JSONL_H

#include <stdio.h>

#include "formats/core/reader.h"

/*
 * Writes the snapshot in the file at path ("-": standard input) to out.  Input that
 * cannot be read twice is first copied to an unlinked temporary file.  Truncated and
 * damaged snapshots are exported as far as they go; the process's line then says so.  0,
 * or -1 with *problem filled.
 */
int snap_export_jsonl(const char *path, FILE *out, struct snap_problem *problem);

#endif
