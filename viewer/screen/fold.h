/* SPDX-License-Identifier: MIT */
/*
 * fold - a list of ids in which those that are alike are one row, which opens into them.
 *
 * Ids are alike when they are of one group and each weighs little of the whole list; a
 * group of a few stays as it is, for its members say more than their number.  The row
 * stands where the first of them stood.  Lists of ten millions are folded in two passes;
 * of which members a row has is told by where they lie.
 */
#ifndef PYMEM_VIEWER_SCREEN_FOLD_H
#define PYMEM_VIEWER_SCREEN_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "viewer/analysis/progress.h"
#include "viewer/model/vec.h"

/* By what ids are alike. */
struct fold_by {
	uint32_t groups; /* their numbers are less */
	uint32_t least;	 /* so many make a row */
	uint32_t alone;	 /* what weighs more than this part of all stands alone */
	uint32_t (*group)(const void *arg, uint32_t id); /* 0: like no other */
	uint64_t (*weight)(const void *arg, uint32_t id);
	const void *arg;
};

/* One id, or several that are alike. */
struct fold_line {
	uint32_t first, count; /* in ids */
	size_t row;	       /* where it is seen */
	bool open;
	/* Of several, filled in by whose list it is: */
	bool overlap; /* retained isn't known: one may keep another alive */
	uint64_t retained, size;
};

struct fold {
	uint32_t *ids; /* those of a line together */
	size_t count;
	struct vec lines; /* struct fold_line */
	size_t rows;
	bool all; /* every line is shown open */
};

/* What a row shows: an id, or a line of several. */
struct fold_row {
	const struct fold_line *line;
	uint32_t id;  /* of a line of several its first */
	bool several; /* the row stands for all of the line */
	bool below;   /* of a line that is open */
	bool open;    /* several: their rows follow */
};

/* Takes ids over (malloc), in any case.  0, -ENOMEM, -ECANCELED; then ids are as they
 * were, each by itself, unless even that has no room (no rows). */
int fold_make(struct fold *fold, uint32_t *ids, size_t count, const struct fold_by *by,
	      const struct progress *progress);
void fold_free(struct fold *fold); /* of zeros, too */

/* row < fold->rows */
struct fold_row fold_at(const struct fold *fold, size_t row);
/* Opens the row's line, or closes it, and shows the others as each was; returns the row
 * it begins at. */
size_t fold_toggle(struct fold *fold, size_t row);
/* Shows all lines open, or as each was. */
void fold_show_all(struct fold *fold, bool all);
/* What stands before a row that opens; a static text. */
const char *fold_mark(bool ascii, bool open);

#endif
