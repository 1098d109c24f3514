/* SPDX-License-Identifier: MIT */
/*
 * traces - who allocated what, as the interpreter's own tracemalloc has noted it.
 *
 * tracemalloc's tables are C variables of the interpreter, of no fixed place and
 * without a symbol in stripped builds: found by looking for hash tables
 * (python/hashtable.h) whose values prove to be traces: a size, and a traceback whose
 * files are str objects.  Modules/_tracemalloc.c, from 3.13 on Python/tracemalloc.c:
 *
 *	traces   block's address -> {size, traceback}; 3.6 and 3.7, when an extension uses
 *	         a domain: {address, domain} -> the same
 *	domains  from 3.8 on: domain -> traces
 *	traceback {hash, number of frames (from 3.9 on 2 bytes of it, then 2 of how many
 *	         there were), then {file, line} packed, the innermost first}
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_TRACES_H
#define PYMEM_AGENT_HEAP_MEMORY_TRACES_H

#include "agent/heap/core/context.h"

/*
 * Emits sites and traces; nothing when tracemalloc isn't tracing.  Facts, if it is:
 *  tracemalloc.traces	how many
 *  tracemalloc.bytes	in the blocks they are of
 *  tracemalloc.frames	the most frames that were kept of a call
 *  tracemalloc.missing	traces that could not be read; not there when 0
 */
void traces_emit(struct walk *w);

#endif
