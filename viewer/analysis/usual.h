/* SPDX-License-Identifier: MIT */
/*
 * usual - suspects that every Python process has, and that are nothing to look at: what
 * an interpreter with its imported modules consists of.
 *
 *  - many that have no holder in common, of a type that modules consist of (dicts, types,
 *    functions, str), and not much more of them than all code has bytes;
 *  - the modules of sys.modules, each from a file of its own;
 *  - tables of interned strings, and what is immortal, when all code has more bytes;
 *  - what is neither a tenth of all nor as large as USUAL_BYTES, and isn't reached from a
 *    variable of the program's own modules or calls.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_USUAL_H
#define PYMEM_VIEWER_ANALYSIS_USUAL_H

#include "viewer/analysis/suspects.h"

enum { USUAL_BYTES = 256 * 1024 };

/* Sets `usual` of each of vec (struct suspect); tenth: bytes. 0, -ENOMEM. */
int usual_mark(const struct analysis *analysis, uint64_t tenth, struct vec *suspects);

#endif
