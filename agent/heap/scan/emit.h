/* SPDX-License-Identifier: MIT */
/* emit - writes one object: its references, size, flags, preview, native memory. */
#ifndef PYMEM_AGENT_HEAP_SCAN_EMIT_H
#define PYMEM_AGENT_HEAP_SCAN_EMIT_H

#include "agent/heap/core/context.h"

/* Decides once how a type's instances are written: type->emit, by all that was decided
 * before.  The done bit of an instance is the caller's. */
void emit_plan(const struct walk *w, struct walk_type *type);

/* Is it on a collector's list? */
bool emit_tracks(const struct walk *w, const struct walk_type *type, uint64_t obj);

/* Writes obj without its references, its preview and its native memory. */
void emit_alone(struct walk *w, struct walk_type *type, uint64_t obj);

/* Writes obj with this shape instead of its own, 0 = its own. */
void emit_shaped(struct walk *w, struct walk_type *type, uint64_t obj, uint32_t shape);

#endif
