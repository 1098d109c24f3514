/* SPDX-License-Identifier: MIT */
/* signals - the interpreter's table of signal handlers, which no symbol need name. */
#ifndef PYMEM_AGENT_HEAP_SCAN_SIGNALS_H
#define PYMEM_AGENT_HEAP_SCAN_SIGNALS_H

#include "agent/heap/core/context.h"

/* If the table begins at `at`, which is in memory up to `end`: emits its handlers as
 * roots, by their signals, and returns where it ends; else 0. */
uint64_t signals_table(struct walk *w, uint64_t at, uint64_t end);

#endif
