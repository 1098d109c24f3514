/* SPDX-License-Identifier: MIT */
/*
 * Breadth first from the starts.  At each node the neighbours are looked at
 * once, in one pass that keeps the `too_many` heaviest, however many there are.
 */
#include "viewer/graph/build.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/native_node.h"

enum { MAX_TOO_MANY = 64 };

/* The heaviest neighbours of a node. */
struct best {
	uint32_t node[MAX_TOO_MANY], slot[MAX_TOO_MANY];
	uint64_t weight[MAX_TOO_MANY];
	bool weak[MAX_TOO_MANY];
	unsigned count, limit;
	uint64_t total; /* neighbours there are */
};

static void graph_offer(struct best *best, uint32_t node, uint32_t slot, uint64_t weight,
			bool weak)
{
	best->total++;
	unsigned at = best->count;
	if (at == best->limit) {
		if (weight <= best->weight[at - 1])
			return;
		at--;
	} else {
		best->count++;
	}
	while (at > 0 && best->weight[at - 1] < weight) {
		best->node[at] = best->node[at - 1];
		best->slot[at] = best->slot[at - 1];
		best->weight[at] = best->weight[at - 1];
		best->weak[at] = best->weak[at - 1];
		at--;
	}
	best->node[at] = node;
	best->slot[at] = slot;
	best->weight[at] = weight;
	best->weak[at] = weak;
}

/* Keys that the value's label names already are left out. */
static bool graph_is_named_key(const struct heap *heap, uint32_t node, uint32_t slot,
			       uint32_t key)
{
	struct heap_label label;
	struct heap_value value;
	if (!heap_is_object(heap, node) || !heap_is_object(heap, key))
		return false;
	heap_label(heap, node, slot, &label);
	return label.kind == SNAP_LABEL_KEY && heap_value(heap, key, &value);
}

static int graph_best_refs(struct graph *g, uint32_t node, struct best *best,
			   const struct progress *progress)
{
	const struct heap *heap = g->analysis->heap;
	struct heap_span refs = heap_refs(heap, node);
	for (uint32_t slot = 0; slot < refs.count; slot++) {
		bool weak;
		uint32_t to = heap_target(heap, node, slot, &weak);
		if (to != HEAP_NONE && !graph_is_named_key(heap, node, slot, to))
			graph_offer(best, to, slot, analysis_retained(g->analysis, to),
				    weak);
		if (slot % PROGRESS_EVERY == PROGRESS_EVERY - 1 &&
		    progress_step(progress, "choosing references", slot, refs.count))
			return -ECANCELED;
	}
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	for (size_t i = heap_is_object(heap, node) ? native_node_first(heap, node) :
						     SIZE_MAX;
	     i < VEC_COUNT(heap->native_edge, uint64_t) && edge[i] >> 32 == node; i++) {
		uint32_t to = heap_native_base(heap) + (uint32_t)edge[i];
		graph_offer(best, to, HEAP_NONE, analysis_retained(g->analysis, to),
			    false);
	}
	return 0;
}

static int graph_best_referrers(struct graph *g, uint32_t node, struct best *best,
				const struct progress *progress)
{
	const struct heap *heap = g->analysis->heap;
	struct heap_span back;
	int err = analysis_referrers(g->analysis, node, progress, &back);
	if (err)
		return err;
	for (uint32_t i = 0; i < back.count; i++) {
		uint32_t from = back.target[i];
		if (i > 0 && back.target[i - 1] == from)
			continue; /* ascending: further references of the same object */
		graph_offer(best, from, HEAP_NONE, analysis_retained(g->analysis, from),
			    false);
		if (i % PROGRESS_EVERY == PROGRESS_EVERY - 1 &&
		    progress_step(progress, "choosing referrers", i, back.count))
			return -ECANCELED;
	}
	for (unsigned i = 0; i < best->count; i++) {
		best->slot[i] = heap_slot(heap, best->node[i], node);
		if (best->slot[i] != HEAP_NONE)
			heap_target(heap, best->node[i], best->slot[i], &best->weak[i]);
	}
	return 0;
}

static int graph_best_children(struct graph *g, uint32_t node, struct best *best,
			       const struct progress *progress)
{
	struct heap_span children;
	int err = analysis_children(g->analysis, node, progress, &children);
	if (err)
		return err;
	for (uint32_t i = 0; i < children.count && i < best->limit; i++)
		graph_offer(best, children.target[i],
			    heap_slot(g->analysis->heap, node, children.target[i]),
			    analysis_retained(g->analysis, children.target[i]), false);
	best->total = children.count;
	return 0;
}

static int graph_add_node(struct graph *g, struct graph_node node)
{
	assert(g->nnodes < GRAPH_MAX_NODES + 101);
	g->nodes[g->nnodes] = node;
	return g->nnodes++;
}

static int graph_find_node(const struct graph *g, uint32_t node)
{
	for (int i = 0; i < g->nnodes; i++)
		if (g->nodes[i].node == node)
			return i;
	return -1;
}

static int graph_add_edge(struct graph *g, struct graph_edge edge)
{
	assert(g->nedges <= g->edge_capacity);
	if (g->nedges == g->edge_capacity) {
		int capacity = g->edge_capacity ? g->edge_capacity * 2 : 256;
		struct graph_edge *edges =
			realloc(g->edges, (size_t)capacity * sizeof(*edges));
		if (!edges)
			return -ENOMEM;
		g->edges = edges;
		g->edge_capacity = capacity;
	}
	g->edges[g->nedges++] = edge;
	return 0;
}

static int graph_link_neighbour(struct graph *g, int at, const struct best *best,
				unsigned i)
{
	bool back = g->request->kind == GRAPH_BACKREFS;
	int other = graph_find_node(g, best->node[i]);
	if (other < 0) {
		if (g->nnodes >= GRAPH_MAX_NODES) {
			g->full = true;
			return 0;
		}
		other = graph_add_node(g,
				       (struct graph_node){ best->node[i], 0,
							    g->nodes[at].depth + 1,
							    false });
	}
	int from = back ? other : at, to = back ? at : other;
	bool dominator =
		analysis_idom(g->analysis, g->nodes[to].node) == g->nodes[from].node;
	bool direct = best->slot[i] != HEAP_NONE || g->request->kind != GRAPH_DOMINATORS;
	return graph_add_edge(g,
			      (struct graph_edge){ from, to, best->slot[i], direct,
						   best->weak[i], dominator, false });
}

static int graph_add_more(struct graph *g, int at, uint64_t more)
{
	bool back = g->request->kind == GRAPH_BACKREFS;
	if (g->nnodes >= GRAPH_MAX_NODES + 100)
		return 0;
	int other = graph_add_node(
		g, (struct graph_node){ HEAP_NONE, more, g->nodes[at].depth + 1, false });
	return graph_add_edge(g,
			      (struct graph_edge){ back ? other : at, back ? at : other,
						   HEAP_NONE, false, false, false,
						   true });
}

/* Modules and what lies above them end the search for referrers. */
static bool graph_ends(const struct graph *g, const struct graph_node *n)
{
	const struct heap *heap = g->analysis->heap;
	unsigned depth = g->request->depth ? g->request->depth : GRAPH_DEPTH;
	if (n->node == HEAP_NONE || n->depth >= (int)depth)
		return true;
	if (g->request->kind != GRAPH_BACKREFS || n->start)
		return false;
	return !heap_is_object(heap, n->node) ||
		heap_kind(heap, n->node) == SNAP_KIND_MODULE;
}

static int graph_expand(struct graph *g, int at, const struct progress *progress)
{
	unsigned limit = g->request->too_many ? g->request->too_many : GRAPH_TOO_MANY;
	struct best best = { .limit = limit < MAX_TOO_MANY ? limit : MAX_TOO_MANY };
	uint32_t node = g->nodes[at].node;
	int err = g->request->kind == GRAPH_REFS ?
		graph_best_refs(g, node, &best, progress) :
		g->request->kind == GRAPH_BACKREFS ?
		graph_best_referrers(g, node, &best, progress) :
		graph_best_children(g, node, &best, progress);
	for (unsigned i = 0; i < best.count && !err; i++)
		err = graph_link_neighbour(g, at, &best, i);
	if (!err && best.total > best.count)
		err = graph_add_more(g, at, best.total - best.count);
	return err;
}

int graph_build(struct graph *g, struct analysis *analysis,
		const struct graph_request *request, const struct progress *progress)
{
	*g = (struct graph){ .analysis = analysis, .request = request };
	g->nodes = calloc(GRAPH_MAX_NODES + 101, sizeof(*g->nodes));
	if (!g->nodes)
		return -ENOMEM;
	for (unsigned i = 0; i < request->nstarts; i++)
		if (graph_find_node(g, request->starts[i]) < 0)
			graph_add_node(
				g, (struct graph_node){ request->starts[i], 0, 0, true });
	int err = 0;
	for (int at = 0; at < g->nnodes && !err; at++)
		if (!graph_ends(g, &g->nodes[at]))
			err = graph_expand(g, at, progress);
	return err;
}

void graph_free(struct graph *g)
{
	free(g->nodes);
	free(g->edges);
	*g = (struct graph){ 0 };
}
