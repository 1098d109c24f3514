/* SPDX-License-Identifier: MIT */
/* graph_kind - the kinds of graphs, by name (graph.h). */
#include <string.h>

#include "viewer/graph/graph.h"

static const char *const graph_kind_names[] = {
	[GRAPH_REFS] = "refs",
	[GRAPH_BACKREFS] = "backrefs",
	[GRAPH_DOMINATORS] = "dominators",
	[GRAPH_TREEMAP] = "treemap",
};

bool graph_kind_find(const char *name, enum graph_kind *ret)
{
	for (int i = 0; i < 4; i++) {
		if (strcmp(graph_kind_names[i], name) == 0) {
			*ret = (enum graph_kind)i;
			return true;
		}
	}
	return false;
}

const char *graph_kind_name(enum graph_kind kind)
{
	return graph_kind_names[kind];
}
