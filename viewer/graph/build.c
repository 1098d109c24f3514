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

enum { MAX_TOO_MANY = 64, MAX_TYPES = 64, LEAST_ALIKE = 4, PATH_ENDS = 16 };

/* The heaviest neighbours of a node. */
struct best {
	uint32_t node[MAX_TOO_MANY], slot[MAX_TOO_MANY];
	uint64_t weight[MAX_TOO_MANY];
	bool weak[MAX_TOO_MANY];
	struct alike alike[MAX_TOO_MANY];
	unsigned count, limit;
	uint64_t total; /* neighbours there are */
	/* how many of each type, of the first types met */
	struct alike type[MAX_TYPES];
	unsigned types;
};

static void graph_count_type(struct best *best, const struct analysis *a, uint32_t node)
{
	const struct alike one = alike_single(a, node);
	unsigned t = 0;

	if (!one.type)
		return;
	while (t < best->types && best->type[t].type != one.type)
		t++;
	if (t == best->types) {
		if (t < MAX_TYPES)
			best->type[best->types++] = one;
		return;
	}
	best->type[t].count++;
	best->type[t].retained += one.retained;
}

/* Of several of one type the first, the heaviest, stands for all. */
static void graph_merge(struct best *best, const struct graph *g)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < best->count; i++) {
		const struct alike one = alike_single(g->analysis, best->node[i]);
		struct alike *all = NULL;

		for (unsigned t = 0; t < best->types && one.type; t++)
			if (best->type[t].type == one.type &&
			    (best->type[t].count >= LEAST_ALIKE || !best->type[t].count))
				all = &best->type[t];
		if (all && !all->count)
			continue; /* one stands for it already */
		best->node[kept] = best->node[i];
		best->slot[kept] = best->slot[i];
		best->weak[kept] = best->weak[i];
		best->alike[kept] = one;
		if (all) {
			best->alike[kept].count = all->count;
			best->alike[kept].retained = all->retained;
			best->total -= all->count - 1;
			all->count = 0;
		}
		kept++;
	}
	best->count = kept;
}

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
	const bool merge = !alike_named(heap, node);

	for (uint32_t slot = 0; slot < refs.count; slot++) {
		bool weak;
		uint32_t to = heap_target(heap, node, slot, &weak);
		if (to != HEAP_NONE && !graph_is_named_key(heap, node, slot, to))
			graph_offer(best, to, slot, analysis_retained(g->analysis, to),
				    weak);
		if (merge && to != HEAP_NONE)
			graph_count_type(best, g->analysis, to);
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
		graph_count_type(best, g->analysis, from);
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

/* What it keeps alive, alike ones as one, down to a hundredth of what the start does. */
static int graph_best_children(struct graph *g, uint32_t node, struct best *best,
			       const struct progress *progress)
{
	const uint64_t least =
		analysis_retained(g->analysis, g->request->starts[0]) / 100;
	struct vec lines = { 0 };
	int err = alike_children(g->analysis, node, progress, &lines);

	best->total = VEC_COUNT(lines, struct alike);
	for (size_t i = 0; i < best->total && best->count < best->limit && !err; i++) {
		const struct alike *line = VEC(lines, struct alike) + i;

		if (line->retained < least)
			break;
		best->node[best->count] = line->node;
		best->slot[best->count] = heap_slot(g->analysis->heap, node, line->node);
		best->weak[best->count] = false;
		best->alike[best->count++] = *line;
	}
	vec_free(&lines);
	return err;
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
							    g->nodes[at].depth + 1, false,
							    best->alike[i] });
	}
	int from = back ? other : at, to = back ? at : other;
	/* of a chain's links too, which are no nodes of their own */
	bool dominator = g->request->kind == GRAPH_DOMINATORS ||
		analysis_idom(g->analysis, g->nodes[to].node) == g->nodes[from].node;
	bool direct = best->slot[i] != HEAP_NONE || g->request->kind != GRAPH_DOMINATORS;
	return graph_add_edge(g,
			      (struct graph_edge){ from, to, best->slot[i], direct,
						   best->weak[i], dominator, false,
						   false });
}

static int graph_add_more(struct graph *g, int at, uint64_t more)
{
	bool back = g->request->kind == GRAPH_BACKREFS;

	if (g->nnodes >= GRAPH_MAX_NODES + 100)
		return 0;
	int other = graph_add_node(
		g,
		(struct graph_node){
			HEAP_NONE, more, g->nodes[at].depth + 1, false, { 0 } });
	return graph_add_edge(g,
			      (struct graph_edge){ back ? other : at, back ? at : other,
						   HEAP_NONE, false, false, false, true,
						   false });
}

/* Modules and what lies above them end the search for referrers. */
static bool graph_ends(const struct graph *g, const struct graph_node *n)
{
	const struct heap *heap = g->analysis->heap;
	unsigned depth = g->request->depth ? g->request->depth : GRAPH_DEPTH;

	if (n->node == HEAP_NONE || n->depth >= (int)depth || n->alike.count > 1)
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

	if (g->request->kind != GRAPH_DOMINATORS)
		graph_merge(&best, g);
	for (unsigned i = 0; i < best.count && !err; i++)
		err = graph_link_neighbour(g, at, &best, i);
	if (!err && best.total > best.count)
		err = graph_add_more(g, at, best.total - best.count);
	return err;
}

/* A node of the way to a root: the one there is, or a new one. -1: no room. */
static int graph_path_node(struct graph *g, uint32_t node)
{
	int at = graph_find_node(g, node);

	if (at >= 0 && g->nodes[at].alike.count > 1)
		g->nodes[at].alike = alike_single(g->analysis, node);
	if (at < 0 && g->nnodes < GRAPH_MAX_NODES + 100)
		at = graph_add_node(
			g,
			(struct graph_node){ node, 0, 0, false,
					     alike_single(g->analysis, node) });
	return at;
}

static int graph_path_edge(struct graph *g, int from, int to)
{
	const struct heap *heap = g->analysis->heap;
	uint32_t holder = g->nodes[from].node, node = g->nodes[to].node;

	for (int i = 0; i < g->nedges; i++)
		if (g->edges[i].from == from && g->edges[i].to == to) {
			g->edges[i].path = true;
			return 0;
		}
	const bool direct = holder != HEAP_NONE && node != HEAP_NONE;
	return graph_add_edge(
		g,
		(struct graph_edge){ from, to,
				     direct ? heap_slot(heap, holder, node) : HEAP_NONE,
				     direct, false,
				     direct && analysis_idom(g->analysis, node) == holder,
				     !direct, true });
}

/* The way from a root to a start, in full; of a very long one its two ends. */
static int graph_add_path(struct graph *g, uint32_t start)
{
	uint32_t length = 0, i = 0, root = heap_root(g->analysis->heap);
	int below = graph_path_node(g, start), err = 0;

	for (uint32_t n = start; n != root && n != HEAP_NONE; length++)
		n = analysis_parent(g->analysis, n);
	for (uint32_t n = analysis_parent(g->analysis, start);
	     n != root && n != HEAP_NONE && below >= 0 && !err;
	     n = analysis_parent(g->analysis, n)) {
		int at = -1;

		i++;
		if (length > 3 * PATH_ENDS && i > PATH_ENDS && i + PATH_ENDS < length) {
			if (i > PATH_ENDS + 1)
				continue;
			if (g->nnodes < GRAPH_MAX_NODES + 100)
				at = graph_add_node(
					g,
					(struct graph_node){ .node = HEAP_NONE,
							     .more = length -
								     2 * PATH_ENDS });
		} else {
			at = graph_path_node(g, n);
		}
		if (at >= 0)
			err = graph_path_edge(g, at, below);
		below = at;
	}
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
				g,
				(struct graph_node){
					request->starts[i], 0, 0, true,
					alike_single(analysis, request->starts[i]) });
	int err = 0;
	for (int at = 0; at < g->nnodes && !err; at++)
		if (!graph_ends(g, &g->nodes[at]))
			err = graph_expand(g, at, progress);
	for (unsigned i = 0;
	     i < request->nstarts && !err && request->kind == GRAPH_BACKREFS; i++)
		err = graph_add_path(g, request->starts[i]);
	return err;
}

void graph_free(struct graph *g)
{
	free(g->nodes);
	free(g->edges);
	*g = (struct graph){ 0 };
}
