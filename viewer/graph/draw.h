/* SPDX-License-Identifier: MIT */
/*
 * draw - has Graphviz draw a text, in a process of its own.
 *
 * Graphviz may crash, hang or take any amount of memory, so a forked child does
 * it: limited in memory and processor time (a busy machine makes it no shorter), killed
 * when that is used up or the user stops it, silent on the terminal.  The child opens
 * libgvc at run time: the viewer starts without it, and says so when it is missing.
 */
#ifndef PYMEM_VIEWER_GRAPH_DRAW_H
#define PYMEM_VIEWER_GRAPH_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "viewer/analysis/progress.h"

struct draw_limits {
	uint32_t cpu_ms;  /* processor time */
	uint64_t memory;  /* bytes beyond what the viewer has mapped */
	uint32_t idle_ms; /* without any processor time; 0: 5 minutes */
};

/*
 * Draws dot with the layout engine ("dot", "patchwork") in format ("png", "svg",
 * "pdf") into file, replacing it when done.  limits NULL: the default ones.  0, or -1
 * with a sentence in err.  One thread only (it forks).
 */
int draw_dot(const char *dot, const char *engine, const char *format, const char *file,
	     const struct draw_limits *limits, const struct progress *progress, char *err,
	     size_t size);

/* Writes size bytes to file (0600), complete or not at all. 0, or -1 with a sentence in
 * err. */
int draw_save(const char *file, const char *data, size_t data_size, char *err,
	      size_t size);

#endif
