/* SPDX-License-Identifier: MIT */
#include "viewer/graph/dot.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/text/escape.h"
#include "viewer/name/describe.h"
#include "viewer/text/human.h"

enum { NAME_LIMIT = 60, VALUE_LIMIT = 40 };

void dot_escape(struct text *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			text_add_bytes(out, "\\", 1);
		if (*text == '&')
			text_add(out, "&amp;");
		else
			text_add_bytes(out, text, 1);
	}
}

/* Cuts at a character's border. */
static void dot_add_limited(struct text *out, const char *text, size_t limit)
{
	size_t n = 0, chars = 0, size = strlen(text);
	while (n < size && chars < limit) {
		size_t length;
		escape_decode(text + n, size - n, &length);
		n += length;
		chars++;
	}
	char *copy = strndup(text, n);
	if (copy)
		dot_escape(out, copy);
	free(copy);
	if (n < size)
		text_add(out, "...");
}

void dot_label(struct text *out, const struct analysis *a, uint32_t node)
{
	char x[HUMAN_SIZE], y[HUMAN_SIZE];
	struct text t = { 0 };
	describe_node(&t, a->heap, node);
	dot_add_limited(out, text_get(&t), NAME_LIMIT);
	text_clear(&t);
	if (heap_is_object(a->heap, node))
		describe_value(&t, a->heap, node, VALUE_LIMIT);
	if (text_len(&t)) {
		text_add(out, "\\n");
		dot_add_limited(out, text_get(&t), VALUE_LIMIT);
	}
	text_free(&t);
	text_printf(out, "\\n%s / %s", human_bytes_u64(x, heap_shallow(a->heap, node)),
		    human_bytes_u64(y, analysis_retained(a, node)));
}

void dot_short_label(struct text *out, const struct analysis *a, uint32_t node)
{
	struct text t = { 0 };
	describe_node(&t, a->heap, node);
	const char *point =
		heap_is_object(a->heap, node) ? strrchr(text_get(&t), '.') : NULL;
	dot_add_limited(out, point && point[1] ? point + 1 : text_get(&t), 20);
	text_free(&t);
}

static double dot_share_of(const struct analysis *a, uint32_t node)
{
	uint64_t all = analysis_retained(a, heap_root(a->heap));
	return all ? (double)analysis_retained(a, node) / (double)all : 0;
}

void dot_fill(struct text *out, double share)
{
	/* Shares span many powers of ten: the square root lets small ones be seen. */
	text_printf(out, "0.080 %.3f 1.000", sqrt(share > 1 ? 1 : share) * 0.9);
}

static bool dot_has_del(const struct heap *heap, uint32_t node)
{
	return heap_is_object(heap, node) &&
		(heap_type(heap, heap_type_of(heap, node))->flags & SNAP_TYPE_HAS_DEL);
}

static void dot_node_style(struct text *out, const struct graph *g,
			   const struct graph_node *n)
{
	const struct heap *heap = g->analysis->heap;
	bool object = heap_is_object(heap, n->node);
	double share = dot_share_of(g->analysis, n->node);
	text_add(out, "fillcolor=\"");
	if (!object || heap_kind(heap, n->node) == SNAP_KIND_MODULE)
		text_add(out, "0.300 0.500 1.000"); /* roots and modules: green */
	else
		dot_fill(out, share);
	text_printf(out, "\", penwidth=%.1f", 1 + 3 * sqrt(share));
	if (n->start)
		text_add(out, ", fontcolor=red");
	if (dot_has_del(heap, n->node))
		text_add(out, ", color=red, style=\"filled,dotted\", peripheries=2");
	if (object)
		text_printf(out, ", tooltip=\"0x%" PRIx64 "\"",
			    heap_address(heap, n->node));
}

static void dot_node(struct text *out, const struct graph *g, int i)
{
	const struct graph_node *n = &g->nodes[i];
	char count[HUMAN_SIZE];
	assert(i >= 0 && i < g->nnodes);
	text_printf(out, "\tn%d [label=\"", i);
	if (n->node == HEAP_NONE) {
		const char *what = g->request->kind == GRAPH_BACKREFS ? "backreferences" :
			g->request->kind == GRAPH_REFS		      ? "references" :
									"objects";
		text_printf(
			out,
			"%s more %s\", shape=plaintext, style=\"\", fontcolor=red];\n",
			human_count(count, n->more), what);
		return;
	}
	dot_label(out, g->analysis, n->node);
	text_add(out, "\", ");
	dot_node_style(out, g, n);
	text_add(out, "];\n");
}

static void dot_edge(struct text *out, const struct graph *g, const struct graph_edge *e)
{
	struct text label = { 0 };
	text_printf(out, "\tn%d -> n%d [", e->from, e->to);
	if (e->more) {
		text_add(out, "color=red, style=dotted];\n");
		return;
	}
	if (e->labelled && heap_is_native(g->analysis->heap, g->nodes[e->to].node))
		describe_step(&label, g->analysis->heap, g->nodes[e->from].node,
			      g->nodes[e->to].node);
	else if (e->labelled)
		describe_edge(&label, g->analysis->heap, g->nodes[e->from].node, e->slot);
	text_add(out, "label=\"");
	dot_add_limited(out, text_get(&label), VALUE_LIMIT);
	text_printf(out, "\", style=%s];\n",
		    e->weak		 ? "dotted" :
			    !e->labelled ? "dashed" :
			    e->dominator ? "bold" :
					   "solid");
	text_free(&label);
}

void dot_graph(struct text *out, const struct graph *g)
{
	text_add(out,
		 "digraph pymem {\n"
		 "\tgraph [charset=\"UTF-8\"");
	/* All others fan out: rows read better than columns. */
	if (g->request->kind != GRAPH_BACKREFS)
		text_add(out, ", rankdir=LR");
	text_add(out,
		 "];\n"
		 "\tnode [shape=box, style=filled, fillcolor=white, "
		 "fontname=\"sans-serif\", "
		 "fontsize=10];\n"
		 "\tedge [fontname=\"sans-serif\", fontsize=9];\n");
	for (int i = 0; i < g->nnodes; i++)
		dot_node(out, g, i);
	for (int i = 0; i < g->nedges; i++)
		dot_edge(out, g, &g->edges[i]);
	if (g->full)
		text_printf(out, "\tlabel=\"cut at %d objects\";\n", GRAPH_MAX_NODES);
	text_add(out, "}\n");
}
