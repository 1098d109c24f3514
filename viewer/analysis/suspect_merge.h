/* SPDX-License-Identifier: MIT */
/* suspect_merge - suspects that are one thing become one: a container with its members
 * that others hold too, its indexes, the two halves of what it has, the table of interned
 * strings with those that stay for ever. */
#ifndef PYMEM_VIEWER_ANALYSIS_SUSPECT_MERGE_H
#define PYMEM_VIEWER_ANALYSIS_SUSPECT_MERGE_H

#include "viewer/analysis/suspects.h"
#include "viewer/analysis/weight.h"

/* suspects: struct suspect, in any order; some are taken out. 0 or -ENOMEM. */
int suspect_merge(const struct weights *weights, struct vec *suspects);

#endif
