/* SPDX-License-Identifier: MIT */
/*
 * inspections - known ways of wasting memory, each looked for by itself.
 *
 * A row of the table (inspections.c) is one: what it is called, from what on it is worth
 * saying, what to do, and the function that looks.  None guesses from names in the
 * program: what it says is true of the objects it counts.  Bytes are those retained by
 * them, or what could be saved, as the row's title says; two inspections may count the
 * same bytes.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_INSPECTIONS_H
#define PYMEM_VIEWER_ANALYSIS_INSPECTIONS_H

#include "viewer/analysis/analysis.h"
#include "viewer/analysis/inspection_sum.h"

struct inspection {
	const char *key;    /* never changes */
	const char *title;  /* what is counted, in the plural */
	const char *single; /* one of it; NULL where one isn't said */
	const char *remedy; /* what to do */
	uint64_t least;	    /* of them, or it isn't said */
	/* Objects of these types (names as of kin_is; those that another such one
	 * keeps are passed over), or of types that are such, are visited: all rows
	 * share one pass. */
	const char *names;
	bool (*of_type)(const struct heap *, uint32_t type);
	void (*visit)(struct analysis *, uint32_t node, struct inspection_sum *);
	/* What is looked for otherwise, or NULL. Adds up. 0, -ENOMEM, -ECANCELED. */
	int (*look)(struct analysis *, const struct progress *, struct inspection_sum *);
	bool calls; /* tasks: the largest is told by where it waits */
};

struct finding {
	const struct inspection *inspection;
	struct inspection_sum sum;
};

/* Appends struct finding to ret, most bytes first: what is true and large enough (half a
 * per cent of all bytes, and INSPECTIONS_BYTES). 0, -ENOMEM, -ECANCELED. */
int inspections_find(struct analysis *analysis, const struct progress *progress,
		     struct vec *ret);

enum { INSPECTIONS_BYTES = 64 * 1024 };

#endif
