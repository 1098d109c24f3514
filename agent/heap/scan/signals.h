/* SPDX-License-Identifier: MIT */
/* signals - the interpreter's table of signal handlers, which no symbol need name. */
#ifndef PYMEM_AGENT_HEAP_SCAN_SIGNALS_H
#define PYMEM_AGENT_HEAP_SCAN_SIGNALS_H

#include "agent/heap/core/context.h"

enum {
	SIGNALS_COUNT = 65, /* NSIG on Linux, glibc and musl */
	SIGNALS_ENTRY = 16,
};

/* signals_table where its first entry, which is no signal's, could be. */
uint64_t signals_table_at(struct walk *w, uint64_t at);

/* If the table begins at `at`, which is in memory up to `end`: emits its handlers as
 * roots, by their signals, and returns where it ends; else 0. */
static inline uint64_t signals_table(struct walk *w, uint64_t at, uint64_t end)
{
	if (peek64(at) || end - at < SIGNALS_COUNT * SIGNALS_ENTRY || peek64(at + 8) ||
	    !peek64(at + 24))
		return 0;
	return signals_table_at(w, at);
}

#endif
