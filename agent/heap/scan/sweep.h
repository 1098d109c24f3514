/* SPDX-License-Identifier: MIT */
/* sweep - emits the objects, in address order. */
#ifndef PYMEM_AGENT_HEAP_SCAN_SWEEP_H
#define PYMEM_AGENT_HEAP_SCAN_SWEEP_H

#include "agent/heap/core/walk_internal.h"

/* Emits every marked object that was not emitted yet, and what they lead to. */
void sweep_run(struct walk *w);

/* Emits obj (its done bit is the caller's) with this shape instead of its own. */
void sweep_emit_shaped(struct walk *w, uint64_t obj, uint32_t shape);

#endif
