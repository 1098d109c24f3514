/* SPDX-License-Identifier: MIT */
/* sweep - emits the objects, in address order. */
#ifndef PYMEM_AGENT_HEAP_SCAN_SWEEP_H
#define PYMEM_AGENT_HEAP_SCAN_SWEEP_H

#include "agent/heap/core/context.h"

/* Emits every marked object that was not emitted yet, and what they lead to. */
void sweep_run(struct walk *w);

#endif
