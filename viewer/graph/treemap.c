/* SPDX-License-Identifier: MIT */
/*
 * A treemap: areas by retained size.  The largest area is divided among what it
 * dominates, again and again, until there are enough; what is too small to be
 * seen, and a container's own bytes, stay together in one area of their own, so
 * that areas at every depth are shares of the same whole.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "viewer/graph/dot.h"
#include "viewer/text/human.h"

enum { MAX_AREAS = 400, CHILDREN = 60 };

struct area {
	uint32_t node;
	uint64_t bytes;
	int parent;
	int first, count; /* its parts; count 0 = not divided */
	uint64_t rest;	  /* divided: bytes in no part */
	uint32_t others;  /* divided: nodes in the rest */
	bool tried;
};

struct treemap {
	struct analysis *analysis;
	struct area areas[MAX_AREAS + CHILDREN];
	int count;
};

static int treemap_largest(const struct treemap *t)
{
	int best = -1;
	for (int i = 0; i < t->count; i++)
		if (!t->areas[i].tried &&
		    (best < 0 || t->areas[i].bytes > t->areas[best].bytes))
			best = i;
	return best;
}

static int treemap_divide(struct treemap *t, int at, const struct progress *progress)
{
	struct heap_span children;
	struct area *area = &t->areas[at];
	area->tried = true;
	int err = analysis_children(t->analysis, area->node, progress, &children);
	if (err)
		return err;
	area->first = t->count;
	area->rest = area->bytes;
	uint64_t least = t->areas[0].bytes / 500;
	for (uint32_t i = 0; i < children.count && area->count < CHILDREN; i++) {
		uint64_t bytes = analysis_retained(t->analysis, children.target[i]);
		if (bytes < least || bytes == 0)
			break;
		t->areas[t->count++] = (struct area){ .node = children.target[i],
						      .bytes = bytes,
						      .parent = at };
		area->count++;
		area->rest -= bytes < area->rest ? bytes : area->rest;
	}
	area->others = children.count - (uint32_t)area->count;
	return 0;
}

/* Labels don't shrink with their area: small areas get small letters, tiny ones none (a
 * tooltip says in SVG what they are). */
static void treemap_label(struct text *out, const struct treemap *t, const struct area *a,
			  uint64_t bytes, const char *what)
{
	char size[HUMAN_SIZE];
	double share = (double)bytes / (double)t->areas[0].bytes;
	double points = 70 * sqrt(share);
	text_printf(out, "area=%.4f, fontsize=%.1f, label=\"", 1000 * share,
		    points < 5		? 5 :
			    points > 14 ? 14 :
					  points);
	if (share > 0.002) {
		dot_short_label(out, t->analysis, a->node);
		text_printf(out, "%s\\n%s", what, human_bytes_u64(size, bytes));
	}
	text_add(out, "\", tooltip=\"");
	dot_label(out, t->analysis, a->node);
	text_printf(out, "%s\"", what);
}

static void treemap_leaf(struct text *out, const struct treemap *t, const struct area *a,
			 int i, int depth)
{
	text_printf(out, "%*sa%d [", depth + 1, "", i);
	treemap_label(out, t, a, a->bytes, "");
	text_add(out, ", fillcolor=\"");
	dot_fill(out, (double)a->bytes / (double)t->areas[0].bytes * 4);
	text_add(out, "\"];\n");
}

static void treemap_rest(struct text *out, const struct treemap *t, const struct area *a,
			 int i, int depth)
{
	char what[HUMAN_SIZE + 40], n[HUMAN_SIZE];
	if (a->rest == 0)
		return;
	if (a->others)
		snprintf(what, sizeof(what), " and %s others", human_count(n, a->others));
	else
		snprintf(what, sizeof(what), " itself");
	text_printf(out, "%*sr%d [", depth + 1, "", i);
	treemap_label(out, t, a, a->rest, what);
	text_add(out, "];\n");
}

static void treemap_open_cluster(struct text *out, const struct treemap *t, int i,
				 int depth)
{
	text_printf(out, "%*ssubgraph cluster_%d {\n%*slabel=\"", depth, "", i, depth + 1,
		    "");
	dot_label(out, t->analysis, t->areas[i].node);
	text_add(out, "\";\n");
}

/* Walks the areas without recursion: next[] says where each open cluster goes on. */
static void treemap_write_areas(struct text *out, const struct treemap *t)
{
	int stack[MAX_AREAS + CHILDREN], next[MAX_AREAS + CHILDREN], depth = 1;
	stack[0] = 0;
	next[0] = 0;
	treemap_open_cluster(out, t, 0, depth);
	while (depth > 0) {
		int i = stack[depth - 1];
		const struct area *a = &t->areas[i];
		if (next[depth - 1] == a->count) {
			treemap_rest(out, t, a, i, depth);
			text_printf(out, "%*s}\n", depth, "");
			depth--;
			continue;
		}
		int child = a->first + next[depth - 1]++;
		if (t->areas[child].count == 0) {
			treemap_leaf(out, t, &t->areas[child], child, depth);
			continue;
		}
		stack[depth] = child;
		next[depth++] = 0;
		treemap_open_cluster(out, t, child, depth);
	}
}

int dot_treemap(struct text *out, struct analysis *analysis, uint32_t start,
		const struct progress *progress)
{
	struct treemap *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->analysis = analysis;
	t->areas[t->count++] = (struct area){
		.node = start, .parent = -1, .bytes = analysis_retained(analysis, start)
	};
	int err = 0;
	while (!err && t->count < MAX_AREAS) {
		int at = treemap_largest(t);
		if (at < 0)
			break;
		err = treemap_divide(t, at, progress);
	}
	if (!err && t->areas[0].bytes) {
		text_add(out,
			 "digraph pymem {\n graph [charset=\"UTF-8\", fontsize=8];\n"
			 " node [shape=box, style=filled, fillcolor=\"#eeeeee\", "
			 "fontname=\"sans-serif\", fontsize=8];\n");
		treemap_write_areas(out, t);
		text_add(out, "}\n");
	}
	free(t);
	return err ? err : out->err;
}
