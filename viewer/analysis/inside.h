/* SPDX-License-Identifier: MIT */
/*
 * inside - what a suspect's members are full of.
 *
 * "40 ValueError" says little where the megabyte of each is a local variable of the frame
 * that raised it.  From some members one walks down to the largest child while that keeps
 * most of what the member retains; the way that nine tenths of them have in common, by
 * types, is told by one of them.  So is, where that ends at containers ("200 list"), what
 * these are full of ("of some 60 Event each").
 */
#ifndef PYMEM_VIEWER_ANALYSIS_INSIDE_H
#define PYMEM_VIEWER_ANALYSIS_INSIDE_H

#include "viewer/analysis/suspects.h"

/* Fills in `inside` and `content_` of each suspect (struct suspect).  0, -ENOMEM,
 * -ECANCELED. */
int inside_of_suspects(struct analysis *analysis, const struct progress *progress,
		       struct vec *suspects);

#endif
