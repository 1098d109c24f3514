/* SPDX-License-Identifier: MIT */
/* emit - writes one object: its references, size, flags, preview, native memory. */
#ifndef PYMEM_AGENT_HEAP_SCAN_EMIT_H
#define PYMEM_AGENT_HEAP_SCAN_EMIT_H

#include "agent/heap/core/context.h"

/* Emits obj (its done bit is the caller's) with this shape instead of its own, 0 = its
 * own.  Returns its type. */
const struct walk_type *emit_object(struct walk *w, uint64_t obj, uint32_t shape);

#endif
