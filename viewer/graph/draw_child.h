/* SPDX-License-Identifier: MIT */
/* draw_child - what the drawing process does. */
#ifndef PYMEM_VIEWER_GRAPH_DRAW_CHILD_H
#define PYMEM_VIEWER_GRAPH_DRAW_CHILD_H

#include <stdbool.h>

#include "viewer/graph/draw.h"

/* Draws into out and exits: 0, or 1 with a sentence written to words_fd. */
_Noreturn void draw_child(const char *dot, const char *engine, const char *format,
			  int out, const struct draw_limits *limits, int words_fd);
/* Does it start the program dot for that, for want of the library? */
bool draw_child_by_program(void);

#endif
