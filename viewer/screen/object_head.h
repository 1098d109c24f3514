/* SPDX-License-Identifier: MIT */
/*
 * object_head - what is above the list on an object's screen: what it is, its value, its
 * numbers, where it was made and what holds it.
 */
#ifndef PYMEM_VIEWER_SCREEN_OBJECT_HEAD_H
#define PYMEM_VIEWER_SCREEN_OBJECT_HEAD_H

#include "viewer/screen/surface.h"
#include "viewer/text/text.h"
#include "viewer/workspace.h"

/* Draws it into the first lines of r, in few of them where r has few; returns how many.
 * text: room, its contents are lost. */
int object_head_draw(const struct process *process, uint32_t node, struct surface *s,
		     struct rect r, struct text *text);

#endif
