/* SPDX-License-Identifier: MIT */
/*
 * A treemap: areas by retained size, with the names by which things are held.
 *
 * The blocks are those of a chart (viewer/html/chart.h): the largest is divided until
 * there are enough, alike children are one, a linked list is one.  What is too small to
 * be seen, and a container's own bytes, stay together in an area of their own, so that
 * areas at every depth are shares of the same whole.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "viewer/graph/dot.h"
#include "viewer/html/chart.h"
#include "viewer/name/name.h"
#include "viewer/text/human.h"

#define REST "itself and smaller"

enum { MAX_AREAS = 300, LINE_MOST = 60 };

static double treemap_share(const struct chart *c, uint64_t bytes)
{
	return (double)bytes / (double)c->block[0].retained;
}

/* Appends a line of a label: a block's name in so many letters. */
static void treemap_line(struct text *out, const struct analysis *a,
			 const struct chart_block *b, size_t letters)
{
	struct text cut = { 0 };

	if (b->count > 1)
		alike_brief(&cut, a->heap,
			    &(struct alike){ .type = b->type, .count = b->count },
			    letters);
	else
		name_brief(&cut, a, b->node, letters);
	dot_escape(out, text_get(&cut));
	text_free(&cut);
}

/* A label that its area has room for: of the picture's 1,000 points side, the area's
 * root; letters are 5 to 14 points, tiny areas have none (a tooltip says in SVG what
 * they are).  rest: what of a block is in none of its parts. */
static void treemap_label(struct text *out, const struct analysis *a,
			  const struct chart *c, const struct chart_block *b,
			  uint64_t bytes, bool rest)
{
	const double share = treemap_share(c, bytes), side = 1000 * sqrt(share);
	const double points = side < 70 ? 5 : side > 200 ? 14 : side / 14;
	/* areas may be more than twice as high as wide */
	const double letters = 0.65 * side / (points * 0.62);
	const size_t most = letters < LINE_MOST ? (size_t)letters : LINE_MOST;
	char size[HUMAN_SIZE];

	text_printf(out, "area=%.4f, fontsize=%.1f, label=\"", 1000 * share, points);
	human_bytes_u64(size, bytes);
	if (most >= 5) {
		treemap_line(out, a, b, most);
		text_printf(out, "\\n%s", size);
	}
	if (rest && most >= sizeof(REST) - 1) {
		text_add(out, "\\n" REST);
	} else if (!rest && b->count > 1 && b->parent >= 0 && most >= 10) {
		text_add(out, "\\nin ");
		treemap_line(out, a, &c->block[b->parent], most - 3);
	}
	text_add(out, "\", tooltip=\"");
	dot_escape(out, text_get(&b->name));
	text_printf(out, "%s, %s\"", rest ? ", " REST : "", size);
}

static void treemap_leaf(struct text *out, const struct analysis *a,
			 const struct chart *c, int32_t at)
{
	const struct chart_block *b = &c->block[at];

	text_printf(out, " a%d [", at);
	treemap_label(out, a, c, b, b->retained, false);
	text_add(out, ", fillcolor=\"");
	dot_fill(out, treemap_share(c, b->retained) * 4);
	text_add(out, "\"];\n");
}

/* What of a divided block is in none of its parts. */
static void treemap_rest(struct text *out, const struct analysis *a,
			 const struct chart *c, int32_t at)
{
	const struct chart_block *b = &c->block[at];
	uint64_t rest = b->retained;

	assert(at >= 0 && c->block);
	for (int32_t i = b->first_child; i >= 0; i = c->block[i].next)
		rest -= c->block[i].retained < rest ? c->block[i].retained : rest;
	if (!rest)
		return;
	text_printf(out, " r%d [", at);
	treemap_label(out, a, c, b, rest, true);
	text_add(out, "];\n");
}

static void treemap_open(struct text *out, const struct chart *c, int32_t at)
{
	const struct chart_block *b = &c->block[at];
	char size[HUMAN_SIZE];

	text_printf(out, " subgraph cluster_%d {\n label=\"", at);
	dot_escape(out, text_get(&b->name));
	text_add(out, "\\n");
	dot_escape(out, text_get(&b->kind));
	text_printf(out, " %s\";\n", human_bytes_u64(size, b->retained));
}

/* Walks the blocks without recursion, parents around children. */
static void treemap_write(struct text *out, const struct analysis *a,
			  const struct chart *c)
{
	int32_t at = 0;

	for (;;) {
		if (c->block[at].first_child >= 0 || at == 0) {
			treemap_open(out, c, at);
			if (c->block[at].first_child >= 0) {
				at = c->block[at].first_child;
				continue;
			}
			treemap_rest(out, a, c, at);
			text_add(out, " }\n");
		} else {
			treemap_leaf(out, a, c, at);
		}
		while (at > 0 && c->block[at].next < 0) {
			at = c->block[at].parent;
			treemap_rest(out, a, c, at);
			text_add(out, " }\n");
		}
		if (at == 0)
			return;
		at = c->block[at].next;
	}
}

int dot_treemap(struct text *out, struct analysis *analysis, uint32_t start,
		const struct progress *progress)
{
	struct chart chart = { 0 };
	int err = chart_by_holder(&chart, analysis, start, MAX_AREAS, progress);

	if (!err && chart.block[0].retained) {
		text_add(out,
			 "digraph pymem {\n graph [charset=\"UTF-8\", fontsize=9, "
			 "fontname=\"sans-serif\"];\n");
		dot_title(out, analysis, "treemap", start);
		text_add(out,
			 " node [shape=box, style=filled, fillcolor=\"#eeeeee\", "
			 "fontname=\"sans-serif\", fontsize=8];\n");
		treemap_write(out, analysis, &chart);
		text_add(out, "}\n");
	}
	chart_free(&chart);
	return err ? err : out->err;
}
