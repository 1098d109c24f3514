/* SPDX-License-Identifier: MIT */
/*
 * way - the shortest path from a root to an object as rows, whose ends are always there.
 *
 * Each row is a node and how it is come by from the row before: by one step, or by equal
 * ones that follow each other (a linked list, nested lists), which are one row:
 *
 *	.head  (.next x 99,997)  .value
 *
 * Where there are more rows than asked for, those in the middle are left out.
 */
#ifndef PYMEM_VIEWER_NAME_WAY_H
#define PYMEM_VIEWER_NAME_WAY_H

#include "viewer/analysis/analysis.h"
#include "viewer/text/text.h"

enum {
	WAY_FOLD = 4,	/* so many equal steps, or groups of steps, are one row */
	WAY_PERIOD = 4, /* steps that such a group can have */
};

struct way_row {
	uint32_t at;	 /* which node of the path, from 0 */
	uint32_t period; /* steps of a group */
	uint32_t times;	 /* groups from the row before to this one */
};

struct way {
	struct vec node;   /* uint32_t: the whole path, the group of roots first */
	struct vec row;	   /* struct way_row */
	uint32_t left_out; /* nodes in the middle that are in no row */
	size_t gap;	   /* the row before which they would be */
};

/* The way to a node, in at most so many rows (2 or more). To be freed. 0, -ENOMEM. */
int way_make(struct way *way, const struct analysis *analysis, uint32_t node,
	     size_t most);
void way_free(struct way *way);
size_t way_rows(const struct way *way);
/* How many nodes the whole path has. */
uint32_t way_length(const struct way *way);
uint32_t way_node(const struct way *way, size_t row);
/* Appends by which step or steps a row is come by; nothing for the first. Escaped. */
void way_text(struct text *out, const struct heap *heap, const struct way *way,
	      size_t row);

#endif
