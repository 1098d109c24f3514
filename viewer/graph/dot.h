/* SPDX-License-Identifier: MIT */
/*
 * dot - a graph in Graphviz's language.
 *
 * Labels are escStrings: backslashes are doubled, quotes escaped, and & written
 * as an entity, so that target text is never taken for an escape, an entity or
 * HTML (graphviz.org/docs/attr-types/escString).
 */
#ifndef PYMEM_VIEWER_GRAPH_DOT_H
#define PYMEM_VIEWER_GRAPH_DOT_H

#include "viewer/graph/build.h"
#include "viewer/text/text.h"

/* Appends the graph. */
void dot_graph(struct text *out, const struct graph *graph);
/* Appends a treemap of the request's first start, for the layout patchwork. 0, -ENOMEM,
 * -ECANCELED. */
int dot_treemap(struct text *out, struct analysis *analysis, uint32_t start,
		const struct progress *progress);

/* Appends text for use between the quotes of a label. */
void dot_escape(struct text *out, const char *text);
/* Sets the picture's title: kind, start, its size; process and time. */
void dot_title(struct text *out, const struct analysis *analysis, const char *kind,
	       uint32_t start);
/* A fill for a share (0..1) of all that is retained: white to a strong orange. */
void dot_fill(struct text *out, double share);

#endif
