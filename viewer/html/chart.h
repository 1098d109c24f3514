/* SPDX-License-Identifier: MIT */
/*
 * chart - the two trees of a process: by holder (the dominator tree, alike children one
 * block, linked lists one) and by type (analysis/holders.h).
 *
 * The largest block is divided, again and again, until there are as many as allowed or
 * the rest is too small to be seen; what isn't shown is the rest of its parent.
 */
#ifndef PYMEM_VIEWER_HTML_CHART_H
#define PYMEM_VIEWER_HTML_CHART_H

#include "viewer/analysis/analysis.h"
#include "viewer/html/card.h"
#include "viewer/text/text.h"

/* For a page; several processes share them. */
enum { CHART_NODES = 2000, CHART_LEAST = 2000 };

struct chart_block {
	struct text name, step,
		kind; /* whole; for small boxes (name_brief); what it is */
	uint64_t retained, objects;
	uint32_t node;			   /* HEAP_NONE: of no one object */
	int32_t parent, first_child, next; /* indices, -1 = none; largest child first */
	uint32_t depth;
	/* while it is made: */
	uint32_t holder, count, type;
	uint64_t below;
	bool divided;
};

struct chart {
	struct chart_block *block;
	uint32_t count, capacity;
};

/* At most `most` blocks, of what start keeps alive.  0, -ENOMEM, -ECANCELED; chart_free
 * in any case. */
int chart_by_holder(struct chart *chart, struct analysis *analysis, uint32_t start,
		    uint32_t most, const struct progress *progress);
int chart_by_type(struct chart *chart, const struct analysis *analysis, uint32_t most,
		  const struct progress *progress);
void chart_free(struct chart *chart);

/* Appends it as JSON: [name, step, kind, retained, objects, card or 0, [children]]. */
void chart_json(struct text *out, const struct chart *chart,
		const struct card_set *cards);
/* Appends it as an inline SVG icicle. */
void chart_svg(struct text *out, const struct chart *chart);

#endif
