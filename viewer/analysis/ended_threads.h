/* SPDX-License-Identifier: MIT */
/*
 * ended_threads - what is left of threads that have ended.
 *
 * A Thread object that has an ident has begun; it is in threading._active until it ends
 * (Lib/threading.py, 3.6 to 3.15).  Idents are used again: that a thread with the same
 * one runs says nothing.  Where that dict isn't known, a thread has ended when no thread
 * of the snapshot has its ident.
 *
 * Entries by thread are those of dicts whose keys are all idents (addresses of the C
 * library's structures: large and aligned, which ids of objects are too), and at least
 * one is that of a thread of the snapshot: thread-locals made by hand.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_ENDED_THREADS_H
#define PYMEM_VIEWER_ANALYSIS_ENDED_THREADS_H

#include "viewer/analysis/analysis.h"
#include "viewer/analysis/inspection_sum.h"

/* Adds up Thread objects whose thread has ended. 0, -ENOMEM, -ECANCELED. */
int ended_threads_look(struct analysis *analysis, const struct progress *progress,
		       struct inspection_sum *sum);
/* Whether a Thread object has begun, and no thread of the snapshot has its ident. */
bool ended_threads_is_gone(const struct heap *heap, uint32_t thread);
bool ended_threads_is_dict(const struct heap *heap, uint32_t type);
/* Adds up a dict's entries of threads that have ended. */
void ended_threads_visit_dict(struct analysis *analysis, uint32_t dict,
			      struct inspection_sum *sum);

#endif
