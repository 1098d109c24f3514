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

enum { MAX_AREAS = 300, LINE_MOST = 60 };

static double treemap_share(const struct chart *c, uint64_t bytes)
{
	return (double)bytes / (double)c->block[0].retained;
}

/* A label that its area has room for: of the picture's 1,000 points side, the area's
 * root; letters are 5 to 14 points, tiny areas have none (a tooltip says in SVG what
 * they are). */
static void treemap_label(struct text *out, const struct chart *c,
			  const struct chart_block *b, uint64_t bytes, const char *what)
{
	const double share = treemap_share(c, bytes), side = 1000 * sqrt(share);
	const double points = side < 70 ? 5 : side > 200 ? 14 : side / 14;
	/* areas may be higher than wide */
	const double letters = 0.8 * side / (points * 0.62);
	struct text name = { 0 }, cut = { 0 };
	char size[HUMAN_SIZE];

	text_printf(out, "area=%.4f, fontsize=%.1f, label=\"", 1000 * share, points);
	human_bytes_u64(size, bytes);
	if (letters >= 6) {
		text_add(&name,
			 text_len(&b->step) && !*what && letters < LINE_MOST ?
				 text_get(&b->step) :
				 text_get(&b->name));
		text_add(&name, what);
		name_cut(&cut, text_get(&name),
			 letters < LINE_MOST ? (size_t)letters : LINE_MOST);
		dot_escape(out, text_get(&cut));
		text_printf(out, "\\n%s", size);
		if (b->count > 1 && b->parent >= 0 && letters >= 12) {
			text_clear(&cut);
			name_cut(&cut, text_get(&c->block[b->parent].name),
				 letters < LINE_MOST ? (size_t)letters - 3 : LINE_MOST);
			text_add(out, "\\nin ");
			dot_escape(out, text_get(&cut));
		}
	}
	text_add(out, "\", tooltip=\"");
	dot_escape(out, text_get(&b->name));
	text_add(out, what);
	text_printf(out, ", %s\"", size);
	text_free(&name);
	text_free(&cut);
}

static void treemap_leaf(struct text *out, const struct chart *c, int32_t at)
{
	const struct chart_block *b = &c->block[at];

	text_printf(out, " a%d [", at);
	treemap_label(out, c, b, b->retained, "");
	text_add(out, ", fillcolor=\"");
	dot_fill(out, treemap_share(c, b->retained) * 4);
	text_add(out, "\"];\n");
}

/* What of a divided block is in none of its parts. */
static void treemap_rest(struct text *out, const struct chart *c, int32_t at)
{
	const struct chart_block *b = &c->block[at];
	uint64_t rest = b->retained;

	assert(at >= 0 && c->block);
	for (int32_t i = b->first_child; i >= 0; i = c->block[i].next)
		rest -= c->block[i].retained < rest ? c->block[i].retained : rest;
	if (!rest)
		return;
	text_printf(out, " r%d [", at);
	treemap_label(out, c, b, rest, ", itself and smaller ones");
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
static void treemap_write(struct text *out, const struct chart *c)
{
	int32_t at = 0;

	for (;;) {
		if (c->block[at].first_child >= 0 || at == 0) {
			treemap_open(out, c, at);
			if (c->block[at].first_child >= 0) {
				at = c->block[at].first_child;
				continue;
			}
			treemap_rest(out, c, at);
			text_add(out, " }\n");
		} else {
			treemap_leaf(out, c, at);
		}
		while (at > 0 && c->block[at].next < 0) {
			at = c->block[at].parent;
			treemap_rest(out, c, at);
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
		treemap_write(out, &chart);
		text_add(out, "}\n");
	}
	chart_free(&chart);
	return err ? err : out->err;
}
