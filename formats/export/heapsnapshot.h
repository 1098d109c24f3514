/* SPDX-License-Identifier: MIT */
/*
 * export_heapsnapshot - one process as a .heapsnapshot, which Chrome's and Edge's
 * DevTools (Memory, Load) and memlab open.
 *
 * Python in their terms: an object's class is its type; a str is a string with its
 * preview as the name; ints and floats are numbers, functions closures; attributes and
 * dict entries with str keys are properties, list items elements, closure variables
 * context; references to types, to keys and all unlabelled ones are internal.  Roots hang
 * below synthetic nodes by kind, and what no root reaches below "(unreachable)".
 *
 * Limits of those programs are kept: sizes beyond 4 GiB are shown as 4 GiB - 1; texts are
 * cut at 200 bytes, and once all texts together reach 400 MB objects go by their types'
 * names.  They need some 250 bytes of memory for each object: beyond 20 million objects
 * few machines will open the file.  This export needs about 50 bytes an object and 6 a
 * reference.
 */
#ifndef PYMEM_FORMATS_EXPORT_HEAPSNAPSHOT_H
#define PYMEM_FORMATS_EXPORT_HEAPSNAPSHOT_H

#include <stdint.h>
#include <stdio.h>

#include "formats/core/reader.h"

/*
 * Writes the process with that pid (0: the first) of the snapshot at path ("-": standard
 * input) to out; *processes_ret gets how many the snapshot has.  0, or -1 with *problem
 * filled; SNAP_E_LIMIT when there is no such process or it has more nodes or references
 * than the format can number; SNAP_E_SINK when out cannot be written.
 */
int snap_export_heapsnapshot(const char *path, uint64_t pid, FILE *out,
			     uint32_t *processes_ret, struct snap_problem *problem);

#endif
