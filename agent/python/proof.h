/* SPDX-License-Identifier: MIT */
/*
 * proof - for a CPython that is newer than the tables: what they say is held against the
 * running interpreter, and what doesn't hold is not read.
 *
 * The sizes of builtin types, classes, and the collector's lists are found or checked in
 * every version (probe.c, probe_gc.c).  Here come frames and attributes, which change
 * most: a frame is proven by what it must lead to (its code, names that are str, the
 * function whose code it is), attributes by one that everybody has (sys.__spec__.name).
 */
#ifndef PYMEM_AGENT_PYTHON_PROOF_H
#define PYMEM_AGENT_PYTHON_PROOF_H

#include "agent/python/cpython.h"

/*
 * Sets py->frames to NULL unless each frame that runs is as the row says, and there is
 * one; lay.attributes_unknown unless attributes are found.  Safe reads only.
 */
void proof_of_tables(struct cpython *py);

#endif
