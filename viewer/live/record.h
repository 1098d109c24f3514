/* SPDX-License-Identifier: MIT */
/* record - a snapshot's numbers into a history. */
#ifndef PYMEM_VIEWER_LIVE_RECORD_H
#define PYMEM_VIEWER_LIVE_RECORD_H

#include "viewer/analysis/analysis.h"
#include "viewer/live/history.h"

/* Of each snapshot, so many path signatures with most bytes of their own. */
enum { RECORD_MAX_PATHS = 4000 };

/* Every type. */
void record_types(struct history *history, const struct heap *heap, uint64_t pid);
/* The largest path signatures (analysis/growth.h), by their own bytes. 0, -ENOMEM,
 * -ECANCELED (then nothing was recorded). */
int record_paths(struct history *history, const struct analysis *analysis, uint64_t pid,
		 const struct progress *progress);

#endif
