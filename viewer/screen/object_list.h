/* SPDX-License-Identifier: MIT */
/*
 * object_list - the rows of an object's screen: the path to it, what it refers to, who
 * refers to it, what goes with it.
 *
 * Each part has a heading.  In all but the path those of one type are one row, which
 * opens into them (fold.h), when they are many and small.  The keys of a dict are told by
 * the labels of its values; they get rows of their own only where the label cannot name
 * them.
 */
#ifndef PYMEM_VIEWER_SCREEN_OBJECT_LIST_H
#define PYMEM_VIEWER_SCREEN_OBJECT_LIST_H

#include "viewer/name/way.h"
#include "viewer/screen/fold.h"
#include "viewer/workspace.h"

enum object_part {
	OBJECT_PART_PATH,
	OBJECT_PART_FIELDS,
	OBJECT_PART_REFERRERS,
	OBJECT_PART_DOMINATED,
	OBJECT_PART_COUNT
};

struct object_list {
	const struct process *process;
	uint32_t node;
	struct way way; /* to it, from a root */
	/* Of the fields slots; beyond those, native memory; HEAP_NONE: the type edge.
	 * Of referrers and what goes with it nodes, each once. */
	struct fold fold[OBJECT_PART_COUNT];
	bool by_weight; /* fields largest first */
};

/* What a row of the list shows. */
struct object_place {
	enum object_part part; /* OBJECT_PART_COUNT: there is no such row */
	size_t index;	       /* in it; SIZE_MAX: its heading */
	struct fold_row row;   /* of an index, but in the path */
};

/* Makes the fields, in the order wanted; needs no analysis.  0, -ENOMEM, -ECANCELED. */
int object_list_make_fields(struct object_list *list, const struct progress *progress);
/* Makes the other parts; the process is analysed.  As above. */
int object_list_make_rest(struct object_list *list, const struct progress *progress);
void object_list_free(struct object_list *list); /* of zeros, too */

/* With all headings. */
size_t object_list_rows(const struct object_list *list);
/* Without its heading. */
size_t object_list_part_rows(const struct object_list *list, enum object_part part);
/* The row of a part's first entry. */
size_t object_list_part_first(const struct object_list *list, enum object_part part);
struct object_place object_list_place(const struct object_list *list, size_t row);
/* The node a row stands for; of several, the first of them; HEAP_NONE: none. */
uint32_t object_list_target(const struct object_list *list,
			    const struct object_place *at);
/* What a field leads to, or HEAP_NONE; weak_ret may be NULL. */
uint32_t object_list_field(const struct object_list *list, uint32_t slot, bool *weak_ret);

/* How many rows there would be if all lines of several were open; opens them, or shows
 * each as it was. */
size_t object_list_unfolded(const struct object_list *list);
void object_list_unfold(struct object_list *list, bool all);
/* Opens or closes the line of several that the row is of; returns where it begins. */
size_t object_list_toggle(struct object_list *list, const struct object_place *at);

#endif
