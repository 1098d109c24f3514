/* SPDX-License-Identifier: MIT */
/*
 * describe - nodes, edges, values and paths in a Python programmer's words.
 *
 *	cache.STORE['sessions'][3].user
 *	thread MainThread > f (file.py:12) > x         (with U+203A)
 *	tasks.f(acc=...), tasks.f > closure seen
 *
 * What a view calls a node is name.h's to say.  All output is escaped (escape.h).
 */
#ifndef PYMEM_VIEWER_NAME_DESCRIBE_H
#define PYMEM_VIEWER_NAME_DESCRIBE_H

#include "viewer/analysis/analysis.h"
#include "viewer/analysis/growth.h"
#include "viewer/text/text.h"

/* Type name of a node, or what a synthetic node is: "(modules)", "thread MainThread",
 * "frame f (file.py:12)", "114 MiB of numpy data". */
void describe_node(struct text *out, const struct heap *heap, uint32_t node);
/* Their parts. */
void describe_type(struct text *out, const struct heap *heap, uint32_t type);
void describe_thread(struct text *out, const struct heap *heap, uint32_t thread);
/* "f (file.py:12)" */
void describe_frame(struct text *out, const struct heap *heap, uint32_t frame);
/* "f (file.py)" */
void describe_function(struct text *out, const struct heap *heap, uint32_t frame);
/* "file.py:12" */
void describe_line(struct text *out, const struct heap *heap, uint32_t file,
		   uint32_t line);
/* " (file.py:12)", without the folders; nothing when file is the empty string. */
void describe_place(struct text *out, const struct heap *heap, uint32_t file,
		    uint32_t line);
/* A site and who called it, innermost first, at most so many: "f.py:12 < g.py:3". */
void describe_callers(struct text *out, const struct heap *heap, uint32_t site,
		      unsigned most);
/* String of the table, cut at 200 characters. */
void describe_string(struct text *out, const struct heap *heap, uint32_t string);
/* Preview of an object's value as Python would write it: 'text', b'..', 12, 1.5, True,
 * None; short tuples composed from their elements; names of functions, types, modules;
 * "[3 items]"; "" when nothing is known. limit: characters, 0 = all there are. */
void describe_value(struct text *out, const struct heap *heap, uint32_t object,
		    size_t limit);
/* The edge as a suffix: ".attr", "['key']", "[3]", " local x", " closure x",
 * ".__class__"... "" when nothing is known of it. */
void describe_label(struct text *out, const struct heap *heap,
		    const struct heap_label *label);
void describe_edge(struct text *out, const struct heap *heap, uint32_t from,
		   uint32_t slot);
/* The same for the first edge that leads from one node to another: " owns" where that is
 * native memory. */
void describe_step(struct text *out, const struct heap *heap, uint32_t from, uint32_t to);
/* A native node, "libxml2 tree": what it is without its size; an object's short type. */
void describe_native_kind(struct text *out, const struct heap *heap, uint32_t node);
void describe_short_type(struct text *out, const struct heap *heap, uint32_t type);
/* Shortest path from its root to node as one expression; __dict__ hops collapsed. */
void describe_path(struct text *out, const struct analysis *analysis, uint32_t node);
/* The same of a path whose nodes are known, as analysis_path gives them. */
void describe_steps(struct text *out, const struct heap *heap, const uint32_t *nodes,
		    uint32_t length);
/* A path signature (growth.h): chain[0] = the last step's, ... up to the first. */
void describe_signature(struct text *out, const struct analysis *analysis,
			const struct growth *growth, const uint32_t *chain,
			uint32_t count);

#endif
