/* SPDX-License-Identifier: MIT */
/*
 * sharing - what of an object's memory a fork left to share with other processes: pages
 * that neither has written to since (snap_shared).
 *
 * By the page that an object begins in, and, where its bytes follow it (str, bytes, int),
 * by all its pages.  Large tables (of a list, a dict) lie elsewhere, the snapshot
 * doesn't tell where: they are left out.
 *
 * With whom: a page that is shared, and at whose address the parent has a shared page
 * too, is taken for one shared with the parent; where the parent has its own by now, it
 * is shared with others that were forked from the parent before.  That needs the parent's
 * snapshot beside this one (heap->forked_from).
 */
#ifndef PYMEM_VIEWER_ANALYSIS_SHARING_H
#define PYMEM_VIEWER_ANALYSIS_SHARING_H

#include "viewer/analysis/suspects.h"

enum sharing_place {
	SHARING_UNKNOWN, /* the snapshot doesn't tell, or a table that lies elsewhere */
	SHARING_PRIVATE,
	SHARING_COPIED,	  /* private, but the parent has an object of its type there:
			 * written to since the fork, if only its count */
	SHARING_SHARED,	  /* with whom isn't known: the parent's snapshot isn't at hand */
	SHARING_PARENT,	  /* the parent's page is shared too: inferred to be the same */
	SHARING_SIBLINGS, /* the parent has its own by now: with others forked from it */
	SHARING_PLACES
};

/* Bytes in pages that are shared still; 0: none, less than any fork leaves, or the
 * snapshot doesn't tell. */
uint64_t sharing_total(const struct heap *heap);
/* Where an object lies, by the page that it begins in. */
enum sharing_place sharing_of(const struct heap *heap, uint32_t object);
/* "parent", "siblings", "shared", "copied", "private"; NULL: unknown. */
const char *sharing_name(enum sharing_place place);
/* Fills own and what of it is shared of each suspect that is one node. 0, -ENOMEM,
 * -ECANCELED. */
int sharing_of_suspects(struct analysis *analysis, const struct progress *progress,
			struct vec *suspects);

#endif
