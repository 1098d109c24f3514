/* SPDX-License-Identifier: MIT */
/* threads - thread states: names, ids, and what they hold. */
#ifndef PYMEM_AGENT_HEAP_ROOTS_THREADS_H
#define PYMEM_AGENT_HEAP_ROOTS_THREADS_H

#include "agent/heap/core/interps.h"

/* Emits the threads of an interpreter with their frames and roots. */
void threads_emit(struct walk *w, const struct interp *interp);

#endif
