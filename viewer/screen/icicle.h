/* SPDX-License-Identifier: MIT */
/*
 * icicle - the dominator tree as rows of blocks: a line is a level, a block's
 * width is its share of what is retained, children hang below their parent.
 * Children that are alike are one block, and hang below it (alike.h); blocks too
 * narrow to be seen are gathered into one at the end of their parent.
 */
#ifndef PYMEM_VIEWER_SCREEN_ICICLE_H
#define PYMEM_VIEWER_SCREEN_ICICLE_H

#include <stdbool.h>
#include <stdint.h>

#include "viewer/name/alike.h"
#include "viewer/text/text.h"
#include "viewer/screen/keys.h"
#include "viewer/screen/surface.h"

enum { ICICLE_MAX_LEVELS = 64, ICICLE_MAX_BLOCKS = 4096, ICICLE_MAX_ZOOM = 64 };

struct icicle_block {
	struct alike alike; /* count 0: the small rest; 1: a node; more: alike ones */
	uint32_t holder;    /* of those */
	uint32_t others;    /* how many the rest is */
	int16_t level, x, width;
	int16_t parent; /* index; -1 = none */
};

struct icicle {
	struct analysis *analysis;
	const struct progress *progress;
	struct icicle_block zoom[ICICLE_MAX_ZOOM]; /* [depth - 1] fills the width */
	int depth;
	struct icicle_block *blocks;
	int count;
	int chosen;
	int rows, width; /* of the last layout */
	int y, x;
	struct icicle_block laid; /* what the layout was made for */
	struct text text;
};

/* Starts at the root. 0, -ENOMEM, -ECANCELED. May be called again. */
int icicle_init(struct icicle *icicle, struct analysis *analysis,
		const struct progress *progress);
void icicle_deinit(struct icicle *icicle);
void icicle_draw(struct icicle *icicle, struct surface *s, struct rect r);
/* Arrows and wasd choose a block, + zooms into it, - zooms out; a click chooses. */
bool icicle_event(struct icicle *icicle, const struct event *event);
/* Whether the chosen block is at that place. */
bool icicle_chosen(const struct icicle *icicle, int y, int x);
/* The chosen node, of alike ones the largest; HEAP_NONE: the rest. */
uint32_t icicle_node(const struct icicle *icicle);

#endif
