/* SPDX-License-Identifier: MIT */
/*
 * draw_ahead - the drawing process made ahead, while it may still start a program.
 *
 * Without Graphviz's library, as in a static viewer, the program dot draws, and a viewer
 * that reads a snapshot starts none (formats/rights/sandbox.h).  So its child is made
 * before, and reads nothing but what it is told: one text to draw, where to, and where to
 * complain.  Where there is the library it gives its rights up, as the viewer does.
 *
 * One a program; not for concurrent use.
 */
#ifndef PYMEM_VIEWER_GRAPH_DRAW_AHEAD_H
#define PYMEM_VIEWER_GRAPH_DRAW_AHEAD_H

#include <stdbool.h>
#include <sys/types.h>

#include "viewer/graph/draw.h"

/* Makes it; confine: it gives up what the viewer does.  0, or a negative errno. */
int draw_ahead_start(bool confine);
/* Is there one that has not drawn yet? */
bool draw_ahead_waits(void);
/*
 * Has it draw, as draw_child would; the descriptors stay the caller's.  Its pid, to be
 * waited for, or a negative errno.
 */
pid_t draw_ahead_begin(const char *dot, const char *engine, const char *format, int out,
		       const struct draw_limits *limits, int words_fd);

#endif
