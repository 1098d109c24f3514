/* SPDX-License-Identifier: MIT */
/* suspect_group - suspects that are many small nodes of one type (suspects.h, group). */
#ifndef PYMEM_VIEWER_ANALYSIS_SUSPECT_GROUP_H
#define PYMEM_VIEWER_ANALYSIS_SUSPECT_GROUP_H

#include "viewer/analysis/suspects_internal.h"

/* Appends the groups of tops that are not taken to finder->ret; takes those whose group
 * has a holder. 0, -ENOMEM, -ECANCELED. */
int suspect_group_find(struct finder *finder);

#endif
