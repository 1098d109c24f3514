/* SPDX-License-Identifier: MIT */
/*
 * check - whether arrays from a file can be used without going astray.
 *
 * One pass over each array: every id below its table's length, rows ascending,
 * synthetic edges inside their array.  What a check cannot see (a wrong but valid id)
 * makes wrong answers, not wild accesses.
 */
#ifndef PYMEM_VIEWER_MODEL_CHECK_H
#define PYMEM_VIEWER_MODEL_CHECK_H

#include "viewer/analysis/analysis.h"
#include "viewer/model/heap.h"

/* Are all its indexes within their arrays? */
bool check_heap(const struct heap *heap);
/* a->heap must have passed. */
bool check_analysis(const struct analysis *analysis);

#endif
