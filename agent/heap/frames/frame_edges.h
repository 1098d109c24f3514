/* SPDX-License-Identifier: MIT */
/* frame_edges - the references of frame objects and generators. */
#ifndef PYMEM_AGENT_HEAP_FRAMES_FRAME_EDGES_H
#define PYMEM_AGENT_HEAP_FRAMES_FRAME_EDGES_H

#include "agent/heap/core/context.h"

/* Sets type->edges of frame, generator, coroutine and async generator types; called once
 * per type.  True when it took the type. */
bool frame_edges_plan(struct walk *w, struct walk_type *type);

#endif
