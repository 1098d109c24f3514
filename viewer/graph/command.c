/* SPDX-License-Identifier: MIT */
/* From a request to a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "viewer/name/candidates.h"
#include "viewer/graph/dot.h"
#include "viewer/graph/draw.h"

enum { STARTS_OF_TYPE = 3 };

int graph_type_starts(struct analysis *a, uint32_t type, struct graph_request *request,
		      const struct progress *progress)
{
	request->nstarts = 0;
	for (uint32_t id = 0; id < a->heap->objects; id++) {
		if (id % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "choosing instances", id, a->heap->objects))
			return -ECANCELED;
		if (heap_type_of(a->heap, id) != type)
			continue;
		uint64_t weight = analysis_retained(a, id);
		unsigned at = request->nstarts;
		if (at == STARTS_OF_TYPE &&
		    weight <= analysis_retained(a, request->starts[at - 1]))
			continue;
		if (at == STARTS_OF_TYPE)
			at--;
		else
			request->nstarts++;
		for (; at > 0 && analysis_retained(a, request->starts[at - 1]) < weight;
		     at--)
			request->starts[at] = request->starts[at - 1];
		request->starts[at] = id;
	}
	return 0;
}

/* An address starts with a digit; Python names cannot. */
static int graph_command_start_at_address(struct analysis *a, const char *of,
					  struct graph_request *request, char *err,
					  size_t size)
{
	char *rest;

	errno = 0;
	uint64_t address = strtoull(of, &rest, 0);
	uint32_t node = errno || *rest ? HEAP_NONE : heap_find(a->heap, address);
	if (node == HEAP_NONE) {
		snprintf(err, size, "no object begins at the address %.40s", of);
		return -1;
	}
	request->starts[0] = node;
	request->nstarts = 1;
	return 0;
}

/*
 * Fills request->starts: an address ("0x7f..." or decimal) gives that object, a
 * type's name its three largest instances by retained size.  0, or -1 with a
 * sentence in err.
 */
static int graph_find_starts(struct analysis *a, const char *of,
			     struct graph_request *request,
			     const struct progress *progress, char *err, size_t size)
{
	if (*of >= '0' && *of <= '9')
		return graph_command_start_at_address(a, of, request, err, size);
	uint32_t type = heap_type_find(a->heap, of);
	if (!type || !heap_type(a->heap, type)->count) {
		struct text text = { 0 };
		candidates_text(&text, a->heap, of);
		snprintf(err, size, "%s%s", type ? "no instances: " : "",
			 text_get(&text));
		text_free(&text);
		return -1;
	}
	if (graph_type_starts(a, type, request, progress) < 0) {
		snprintf(err, size, "stopped");
		return -1;
	}
	return 0;
}

static const char *graph_command_format_of(const char *file)
{
	static const char *const formats[] = { "png", "svg", "dot", "pdf" };
	const char *point = strrchr(file, '.');

	for (int i = 0; i < 4; i++)
		if (point && strcasecmp(point + 1, formats[i]) == 0)
			return formats[i];
	return NULL;
}

static int graph_command_write_text(struct analysis *a,
				    const struct graph_request *request,
				    const struct progress *progress, struct text *out)
{
	if (request->kind == GRAPH_TREEMAP)
		return dot_treemap(out, a, request->starts[0], progress);
	struct graph graph;
	int rc = graph_build(&graph, a, request, progress);
	if (rc == 0) {
		dot_graph(out, &graph);
		rc = out->err;
	}
	graph_free(&graph);
	return rc;
}

int graph_to_file(struct analysis *a, const struct graph_request *request,
		  const char *file, const struct progress *progress, char *err,
		  size_t size)
{
	struct text dot = { 0 };
	const char *format = graph_command_format_of(file);

	if (!format) {
		snprintf(err, size,
			 "the file's name must end in .png, .svg, .dot or .pdf");
		return -1;
	}
	int rc = graph_command_write_text(a, request, progress, &dot);
	if (rc < 0 || text_len(&dot) == 0)
		snprintf(err, size, "%s",
			 rc == -ECANCELED ? "stopped" :
				 rc < 0	  ? strerror(-rc) :
					    "there is nothing to draw");
	if (rc < 0 || text_len(&dot) == 0)
		rc = -1;
	else if (strcmp(format, "dot") == 0)
		rc = draw_save(file, text_get(&dot), text_len(&dot), err, size);
	else
		rc = draw_dot(text_get(&dot),
			      request->kind == GRAPH_TREEMAP ? "patchwork" : "dot",
			      format, file, NULL, progress, err, size);
	text_free(&dot);
	return rc;
}

int graph_command(struct analysis *a, const char *kind, const char *of, unsigned depth,
		  const char *file, const struct progress *progress, char *err,
		  size_t size)
{
	struct graph_request request = { .depth = depth };

	if (!graph_kind_find(kind, &request.kind)) {
		snprintf(err, size,
			 "no such graph: %.40s (refs, backrefs, dominators, treemap)",
			 kind);
		return -1;
	}
	bool whole = request.kind == GRAPH_DOMINATORS || request.kind == GRAPH_TREEMAP;
	if (!of && !whole) {
		snprintf(err, size, "--graph %s needs --of NAME or ADDRESS", kind);
		return -1;
	}
	request.starts[0] = heap_root(a->heap);
	request.nstarts = 1;
	if (of && graph_find_starts(a, of, &request, progress, err, size) < 0)
		return -1;
	return graph_to_file(a, &request, file, progress, err, size);
}
