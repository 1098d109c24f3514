/* SPDX-License-Identifier: MIT */
/*
 * grid - rows and columns with a cursor: what most screens are made of.
 *
 * A grid asks its source for cells only when it draws, sorts, filters or
 * searches; so a list of a hundred million instances costs what is visible.
 * `order` maps what is shown to the source's rows; NULL = all, as they come.
 * Some rows may be headings: drawn across, never under the cursor.
 */
#ifndef PYMEM_VIEWER_SCREEN_GRID_H
#define PYMEM_VIEWER_SCREEN_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "viewer/analysis/progress.h"
#include "viewer/report/report.h"
#include "viewer/screen/keys.h"
#include "viewer/screen/surface.h"

#define GRID_MAX_COLUMNS 24
#define CELL_ADDRESS_SIZE 32

struct grid_cell {
	bool unknown;
	union {
		uint64_t u64;
		int64_t i64;
		double ratio;
	};
	const char *text; /* CELL_TEXT: valid until the source is asked again */
	size_t size;
	enum style style;
	int indent;	     /* columns left of the text */
	bool keep_ends;	     /* when too long, its middle is left out */
	const double *spark; /* a sparkline instead of text: nspark values */
	size_t nspark;
};

struct grid_source {
	size_t (*rows)(void *arg);
	void (*cell)(void *arg, size_t row, size_t column, struct grid_cell *ret);
	/* A heading's text, or NULL when the row is an ordinary one. May be NULL. */
	const char *(*heading)(void *arg, size_t row);
	/* Where several rows may be folded into one; else NULL both.  How many rows there
	 * would be if none were; and: shows all of them, or folds again. */
	size_t (*unfolded)(void *arg);
	void (*unfold)(void *arg, bool all);
};

struct grid {
	const struct grid_source *source;
	void *arg;
	const struct column *columns;
	size_t ncolumns;
	bool fixed_order;  /* no sorting: the rows' order means something */
	int bar;	   /* column whose share of its total is drawn, -1 = none */
	double bar_total;  /* what a full bar is; 0 = the largest value seen */
	const char *empty; /* said when there are no rows */

	uint32_t *order;
	size_t shown;	    /* rows of order */
	size_t cursor, top; /* in shown rows */
	int sort;	    /* column, -1 = the source's order */
	bool descending;
	char filter[128], search[128];

	/* from the last drawing */
	struct rect body; /* rows only, without the column titles */
	int x[GRID_MAX_COLUMNS], width[GRID_MAX_COLUMNS]; /* width 0 = not shown */
	int seen[GRID_MAX_COLUMNS]; /* widest text met, so that columns don't jump about
				     */
	int bar_x, bar_width;
};

/* source, arg and columns must outlive the grid. */
void grid_init(struct grid *grid, const struct grid_source *source, void *arg,
	       const struct column *columns, size_t ncolumns);
void grid_deinit(struct grid *grid);

/* The source's rows changed: applies filter and sort again; the cursor stays in
 * range. 0, -ENOMEM, or -ECANCELED (then all rows, unsorted). */
int grid_refresh(struct grid *grid, const struct progress *progress);

/* Takes back what a search has unfolded. */
void grid_fold(struct grid *grid, const struct progress *progress);

/* How many rows a filter looks at. */
size_t grid_all_rows(const struct grid *grid);

/* The source's row under the cursor; SIZE_MAX when there is none. */
size_t grid_row(const struct grid *grid);
/* Puts the cursor on the first shown row that is the source's `row`. */
void grid_go_to(struct grid *grid, size_t row);

/* Whether the row is a heading; asks the source. */
const char *grid_heading(const struct grid *grid, size_t shown);

enum grid_result {
	GRID_IGNORED, /* not a key for grids */
	GRID_DONE,
	GRID_ENTER, /* the row under the cursor is wanted */
};
/* Moving, sorting (< > I, a click on a column title), choosing by mouse. */
enum grid_result grid_event(struct grid *grid, const struct event *event,
			    const struct progress *progress);

/* Shows only rows that contain text (ASCII case ignored; "" = all). As grid_refresh. */
int grid_filter(struct grid *grid, const char *text, const struct progress *progress);
/*
 * Moves the cursor to the next row (step 1) or previous one (-1) that contains
 * grid->search, from row `from` on (included when `here`), around the end.  Where none
 * does and some are folded, in all of them, which are then unfolded.  False when none
 * does.
 */
bool grid_find(struct grid *grid, size_t from, int step, bool here,
	       const struct progress *progress);

/* Draws titles and rows into r; remembers where. */
void grid_draw(struct grid *grid, struct surface *s, struct rect r);

/* A cell as people read it, into buf (size bytes): grid_draw's own format. */
const char *grid_format(const struct grid *grid, size_t column,
			const struct grid_cell *cell, char *buf, size_t size);

#endif
