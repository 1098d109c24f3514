/* SPDX-License-Identifier: MIT */
/*
 * card - an object on the page: what it is, how it is held, its neighbours.
 *
 * Cards are for the objects that the page names: the suspects and the largest
 * dominators.  The referrers of all of them are found in one pass over the edges.
 */
#ifndef PYMEM_VIEWER_HTML_CARD_H
#define PYMEM_VIEWER_HTML_CARD_H

#include "viewer/analysis/analysis.h"
#include "viewer/text/text.h"

enum { CARD_MAX = 40, CARD_NEIGHBOURS = 12, CARD_STEPS = 16 };

struct card_set {
	struct analysis *analysis;
	uint32_t process; /* number of its process on the page, from 1 */
	uint32_t node[CARD_MAX];
	uint32_t count, most;
	/* of each: the referrers that retain most, and how many there are */
	uint32_t referrer[CARD_MAX][CARD_NEIGHBOURS];
	uint32_t referrers[CARD_MAX];
};

/* Adds a card for a node, once, while there is room; synthetic nodes get none. */
void card_set_add(struct card_set *set, uint32_t node);
bool card_set_has(const struct card_set *set, uint32_t node);
/* Appends the id of a node's card. */
void card_id(struct text *out, const struct card_set *set, uint32_t node);
/* Appends all cards.  0, -ENOMEM, -ECANCELED. */
int card_set_write(struct text *out, struct card_set *set,
		   const struct progress *progress);

#endif
