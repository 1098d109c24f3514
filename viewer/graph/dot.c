/* SPDX-License-Identifier: MIT */
#include "viewer/graph/dot.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/text/escape.h"
#include "viewer/name/describe.h"
#include "viewer/name/name.h"
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

/* A line of a label: cut in the middle, escaped. */
static void dot_line(struct text *out, const char *text, size_t limit)
{
	struct text cut = { 0 };

	name_cut(&cut, text, limit);
	dot_escape(out, text_get(&cut));
	text_free(&cut);
}

/* name, type, value and sizes of a node, lines separated by \n, escaped. */
static void dot_label(struct text *out, const struct analysis *a, uint32_t node)
{
	char x[HUMAN_SIZE], y[HUMAN_SIZE];
	struct text t = { 0 };

	name_full(&t, a, node);
	dot_line(out, text_get(&t), NAME_LIMIT);
	text_clear(&t);
	if (heap_is_object(a->heap, node)) {
		describe_node(&t, a->heap, node);
		text_add(&t, " ");
		describe_value(&t, a->heap, node, VALUE_LIMIT);
		text_add(out, "\\n");
		dot_line(out, text_get(&t), NAME_LIMIT);
	}
	text_free(&t);
	text_printf(out, "\\n%s / %s", human_bytes_u64(x, heap_shallow(a->heap, node)),
		    human_bytes_u64(y, analysis_retained(a, node)));
}

/* "x 60 Session", and what they keep alive together. */
static void dot_label_alike(struct text *out, const struct heap *heap,
			    const struct alike *alike)
{
	char size[HUMAN_SIZE];
	struct text t = { 0 };

	alike_text(&t, heap, alike);
	dot_line(out, text_get(&t), NAME_LIMIT);
	text_free(&t);
	text_printf(out, "\\n%s", human_bytes_u64(size, alike->retained));
}

/* Its name, "chain of 100,000 Node", and what all of it keeps alive. */
static void dot_label_chain(struct text *out, const struct analysis *a,
			    const struct alike *alike)
{
	char size[HUMAN_SIZE];
	struct text t = { 0 };

	name_full(&t, a, alike->node);
	dot_line(out, text_get(&t), NAME_LIMIT);
	text_clear(&t);
	alike_kind(&t, a->heap, alike, VALUE_LIMIT);
	text_add(out, "\\n");
	dot_line(out, text_get(&t), NAME_LIMIT);
	text_free(&t);
	text_printf(out, "\\n%s", human_bytes_u64(size, alike->retained));
}

void dot_title(struct text *out, const struct analysis *a, const char *kind,
	       uint32_t start)
{
	const struct heap *heap = a->heap;
	size_t length = 0;
	const char *command = heap_fact_text(heap, "cmdline", &length);
	const time_t seconds = (time_t)(heap_fact_u64(heap, "time_ns", 0) / 1000000000);
	char size[HUMAN_SIZE], all[HUMAN_SIZE];
	struct text t = { 0 };
	struct tm tm;

	text_printf(&t, "%s of ", kind);
	if (start == heap_root(heap))
		text_add(&t, "everything");
	else
		name_short(&t, a, start, NAME_LIMIT);
	text_add(out, " labelloc=t; labeljust=l; label=\"");
	dot_escape(out, text_get(&t));
	text_printf(out, ": %s of %s\\l",
		    human_bytes_u64(size, analysis_retained(a, start)),
		    human_bytes_u64(all, analysis_retained(a, heap_root(heap))));
	text_clear(&t);
	text_printf(&t, "process %" PRIu64 " ", heap_fact_u64(heap, "pid", 0));
	if (command)
		text_escape(&t, command, length, NAME_LIMIT, 0);
	if (seconds && gmtime_r(&seconds, &tm))
		text_printf(&t, ", %04d-%02d-%02d %02d:%02d UTC", tm.tm_year + 1900,
			    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
	dot_escape(out, text_get(&t));
	text_add(out, "\\l\";\n");
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
	if (n->alike.count > 1)
		dot_label_alike(out, g->analysis->heap, &n->alike);
	else if (n->alike.chain)
		dot_label_chain(out, g->analysis, &n->alike);
	else
		dot_label(out, g->analysis, n->node);
	text_add(out, "\", ");
	dot_node_style(out, g, n);
	text_add(out, "];\n");
}

static void dot_edge(struct text *out, const struct graph *g, const struct graph_edge *e)
{
	struct text label = { 0 };

	text_printf(out, "\tn%d -> n%d [", e->from, e->to);
	if (e->more && !e->path) {
		text_add(out, "color=red, style=dotted];\n");
		return;
	}
	if (e->labelled && heap_is_native(g->analysis->heap, g->nodes[e->to].node))
		describe_step(&label, g->analysis->heap, g->nodes[e->from].node,
			      g->nodes[e->to].node);
	/* of several that are alike no one index or key is told */
	else if (e->labelled && g->nodes[e->to].alike.count <= 1)
		describe_edge(&label, g->analysis->heap, g->nodes[e->from].node, e->slot);
	text_add(out, "label=\"");
	dot_line(out, text_get(&label), VALUE_LIMIT);
	text_printf(out, "\", style=%s",
		    e->weak		 ? "dotted" :
			    !e->labelled ? "dashed" :
			    e->dominator ? "bold" :
					   "solid");
	if (e->path)
		text_add(out, ", color=\"#b3441e\", penwidth=3, weight=8");
	text_add(out, "];\n");
	text_free(&label);
}

static const char legend[] =
	"\tlegend [shape=note, style=\"\", fontsize=8, fontcolor=\"#666666\", "
	"color=\"#aaaaaa\", label=\"name\\ltype and value\\l"
	"its own bytes / what it keeps alive\\l"
	"red letters: what was asked for; green: modules and roots\\l"
	"darker: keeps more alive; red frame: has __del__\\l"
	"bold: nothing else holds it; dotted: weak; dashed: not directly\\l"
	"thick: the way from a root\\l\"];\n";

void dot_graph(struct text *out, const struct graph *g)
{
	text_add(out,
		 "digraph pymem {\n"
		 "\tgraph [charset=\"UTF-8\", fontname=\"sans-serif\", fontsize=12");
	/* All others fan out: rows read better than columns. */
	if (g->request->kind != GRAPH_BACKREFS)
		text_add(out, ", rankdir=LR");
	text_add(out,
		 "];\n"
		 "\tnode [shape=box, style=filled, fillcolor=white, "
		 "fontname=\"sans-serif\", "
		 "fontsize=10];\n"
		 "\tedge [fontname=\"sans-serif\", fontsize=9];\n");
	if (g->nnodes)
		dot_title(out, g->analysis, graph_kind_name(g->request->kind),
			  g->nodes[0].node);
	text_add(out, legend);
	for (int i = 0; i < g->nnodes; i++)
		dot_node(out, g, i);
	for (int i = 0; i < g->nedges; i++)
		dot_edge(out, g, &g->edges[i]);
	if (g->full)
		text_printf(out,
			    "\tfull [shape=plaintext, style=\"\", label=\"cut at %d "
			    "objects\"];\n",
			    GRAPH_MAX_NODES);
	text_add(out, "}\n");
}
