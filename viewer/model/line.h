/* SPDX-License-Identifier: MIT */
/*
 * line - the line at which a call stands that an object holds: a suspended generator or
 * coroutine, a frame object, a greenlet (snap_line).
 *
 * heap->line is sorted by object and call.  Snapshots of versions before 1.4 have none.
 */
#ifndef PYMEM_VIEWER_MODEL_LINE_H
#define PYMEM_VIEWER_MODEL_LINE_H

#include "viewer/model/heap.h"

/* Sorts the lines that were loaded. */
void line_build(struct heap *heap);
/* Are the array of a file in order and its strings there? */
bool line_check(const struct heap *heap);

/* The line of a node's call (0, but for greenlets), or, up to CPython 3.10, of the frame
 * object that a generator holds; NULL: not known, or it has none. */
const struct snap_line *line_of(const struct heap *heap, uint32_t node, uint32_t call);

#endif
