/* SPDX-License-Identifier: MIT */
/*
 * graph - a readable piece of the object graph, as a picture.
 *
 *	build.c	chooses nodes and edges (never more than GRAPH_MAX_NODES)
 *	treemap.c	the same for areas by retained size
 *	dot.c	writes them in Graphviz's language, target text escaped
 *	draw.c	has libgvc draw that, in a process of its own with limits
 *
 * What it shows follows objgraph's conventions (objgraph/objgraph.py,
 * _show_graph): boxes, the start in red letters, modules green, ten references
 * of a node and a red dotted edge to "N more"; three steps deep.  Ours: the ten are
 * those that retain most, alike ones are one box (alike.h); backward references stop
 * at modules, but for the way from a root to each start, which is drawn thick and in
 * full; the fill tells the retained share, bold edges are dominators, dotted ones weak.
 */
#ifndef PYMEM_VIEWER_GRAPH_GRAPH_H
#define PYMEM_VIEWER_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "viewer/analysis/analysis.h"

enum {
	GRAPH_MAX_NODES = 400,
	GRAPH_MAX_STARTS = 8,
	GRAPH_DEPTH = 3,
	GRAPH_TOO_MANY = 10
};

enum graph_kind { GRAPH_REFS, GRAPH_BACKREFS, GRAPH_DOMINATORS, GRAPH_TREEMAP };

struct graph_request {
	enum graph_kind kind;
	uint32_t starts[GRAPH_MAX_STARTS]; /* nodes */
	unsigned nstarts;
	unsigned depth;	   /* 0 = GRAPH_DEPTH */
	unsigned too_many; /* 0 = GRAPH_TOO_MANY */
};

/* "refs", "backrefs", "dominators", "treemap"; false when it is none of these. */
bool graph_kind_find(const char *name, enum graph_kind *ret);
const char *graph_kind_name(enum graph_kind kind);

/* The same for a type id. */
int graph_type_starts(struct analysis *analysis, uint32_t type,
		      struct graph_request *request, const struct progress *progress);

/*
 * Builds the graph and writes it to file: the extension chooses png, svg, dot or
 * pdf; another is refused.  The file (0600) appears complete or not at all.
 * 0, or -1 with a sentence in err (cancelled by progress: "stopped").
 */
int graph_to_file(struct analysis *analysis, const struct graph_request *request,
		  const char *file, const struct progress *progress, char *err,
		  size_t size);

/*
 * The command line's --graph KIND --of NAME|ADDR --depth N -o FILE in one call. depth 0 =
 * the default. of NULL: the whole heap (dominators and treemap only).
 */
int graph_command(struct analysis *analysis, const char *kind, const char *of,
		  unsigned depth, const char *file, const struct progress *progress,
		  char *err, size_t size);

#endif
