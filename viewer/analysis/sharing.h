/* SPDX-License-Identifier: MIT */
/*
 * sharing - what of an object's memory a fork left to share with other processes: pages
 * that neither has written to since (snap_shared).
 *
 * By the page that an object begins in, and, where its bytes follow it (str, bytes, int),
 * by all its pages.  Large tables (of a list, a dict) lie elsewhere, the snapshot
 * doesn't tell where: they are left out.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_SHARING_H
#define PYMEM_VIEWER_ANALYSIS_SHARING_H

#include "viewer/analysis/suspects.h"

/* Bytes in pages that are shared still; 0: none, or the snapshot doesn't tell. */
uint64_t sharing_total(const struct heap *heap);
/* Fills own and still_shared of each suspect that is one node. 0, -ENOMEM, -ECANCELED. */
int sharing_of_suspects(struct analysis *analysis, const struct progress *progress,
			struct vec *suspects);

#endif
