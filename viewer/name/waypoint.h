/* SPDX-License-Identifier: MIT */
/*
 * waypoint - places of long paths up to which the path has been described.
 *
 * A table of all objects asks for as many paths, and each element of a linked list has
 * the path of the one before it, and a step.  What was written for a long path is kept,
 * once every WAYPOINT_EVERY steps: a path through there goes on from it, so that all
 * paths together take time by the number of objects.
 *
 * How a step is written depends on what lies ahead, HOPS_LONGEST edges at most (hops.h).
 * So what a waypoint has ends that far above its node, at the end of a step: whatever
 * path leads through the node has those same steps.
 *
 * Segments (path.c) are chained backwards and shared by all paths that go on from there;
 * the last one is the waypoint's own, for its run may go on.  They belong to an analysis
 * and go with it.  At most WAYPOINT_MEMORY is kept: paths through what isn't climb
 * farther.  From one thread for each heap, as all paths (heap.h).
 */
#ifndef PYMEM_VIEWER_NAME_WAYPOINT_H
#define PYMEM_VIEWER_NAME_WAYPOINT_H

#include "viewer/analysis/analysis.h"

enum {
	WAYPOINT_EVERY = 16, /* edges from one to the next, at least */
	WAYPOINT_LOOK = 40,  /* nodes of a path that is long enough to have some */
	WAYPOINT_SHOWN = 24, /* segments that are shown of each end of a path */
	WAYPOINT_MEMORY = 64 << 20
};

/* One or more equal steps. */
struct waypoint_segment {
	uint32_t before; /* the segment before, plus 1; 0: it is the first */
	uint32_t text;	 /* offset in the text */
	uint32_t rank;	 /* which of the path it is, from 0 */
	uint32_t head; /* plus 1: that with rank WAYPOINT_SHOWN - 1, once there is one */
	uint64_t times;
};

struct waypoint {
	uint32_t node;
	uint8_t back; /* nodes before the end of the last step that belong to the path, 0
		       * to 2: steps look back, too */
	bool own;     /* path.c: it begins with what the program's author has named */
	struct waypoint_segment last; /* its text is kept, it is no segment yet */
};

struct waypoints {
	struct vec mark;    /* bit per node: is one */
	struct vec slot;    /* u32, by a hash of the node: index in at, plus 1 */
	struct vec at;	    /* struct waypoint */
	struct vec segment; /* struct waypoint_segment */
	struct vec text;    /* NUL-terminated each */
};

/* Those of an analysis; NULL: no memory. */
struct waypoints *waypoint_all(const struct analysis *analysis);
/* The one at a node; NULL: there is none. Valid until one is added. */
const struct waypoint *waypoint_find(const struct waypoints *w, uint32_t node);
/* Whether more may be kept. */
bool waypoint_has_room(const struct waypoints *w);
/* 0 or -ENOMEM.  The node has none yet. */
int waypoint_add(struct waypoints *w, const struct waypoint *waypoint);
/* Keeps a text, and a segment after *before (plus 1, 0: none), to which *before is moved;
 * head is filled in.  0 or -ENOMEM. */
int waypoint_keep_text(struct waypoints *w, const char *text, uint32_t *offset_ret);
int waypoint_keep_segment(struct waypoints *w, struct waypoint_segment segment,
			  uint32_t *before);

#endif
