/* SPDX-License-Identifier: MIT */
/* build - nodes and edges of a picture, chosen from the heap. */
#ifndef PYMEM_VIEWER_GRAPH_BUILD_H
#define PYMEM_VIEWER_GRAPH_BUILD_H

#include "viewer/graph/graph.h"
#include "viewer/name/alike.h"

struct graph_node {
	uint32_t node; /* HEAP_NONE: stands for `more` further ones */
	uint64_t more;
	int depth;
	bool start;
	struct alike alike; /* count > 1: stands for so many, node is the largest */
};

struct graph_edge {
	int from, to;  /* indices of nodes */
	uint32_t slot; /* of the referring object; HEAP_NONE = no label */
	bool labelled, weak, dominator, more;
	bool path; /* of the way from a root to a start */
};

struct graph {
	struct analysis *analysis;
	const struct graph_request *request;
	struct graph_node *nodes;
	struct graph_edge *edges;
	int nnodes, nedges, edge_capacity;
	bool full; /* GRAPH_MAX_NODES were not enough */
};

/* 0, -ENOMEM, -ECANCELED. Free with graph_free in any case. */
int graph_build(struct graph *graph, struct analysis *analysis,
		const struct graph_request *request, const struct progress *progress);
void graph_free(struct graph *graph);

#endif
