/* SPDX-License-Identifier: MIT */
/* closures - the items of a function's closure, labelled with its variables' names. */
#ifndef PYMEM_AGENT_HEAP_SCAN_CLOSURES_H
#define PYMEM_AGENT_HEAP_SCAN_CLOSURES_H

#include "agent/heap/core/context.h"

/* After a function was emitted: its closure tuple with its names. */
void closures_emit(struct walk *w, uint64_t function);

/* Is this, exactly a tuple, a closure that waits for its function? */
bool closures_put_off(const struct walk *w, uint64_t obj);
/* From now on none waits any more, or those still to come do. */
void closures_last(struct walk *w, bool last);

#endif
