/* SPDX-License-Identifier: MIT */
/* unheld - suspects that no object holds: free, unexplained and shared memory. */
#ifndef PYMEM_VIEWER_ANALYSIS_UNHELD_H
#define PYMEM_VIEWER_ANALYSIS_UNHELD_H

#include "viewer/model/heap.h"

/* Appends a struct suspect for each that is at least so large a share of resident memory;
 * none without mappings. 0 or -ENOMEM. */
int unheld_find(const struct heap *heap, double share, struct vec *ret);

#endif
