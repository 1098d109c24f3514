/* SPDX-License-Identifier: MIT */
#ifndef PYMEM_AGENT_HEAP_STATICS_H
#define PYMEM_AGENT_HEAP_STATICS_H

#include "agent/heap/walk_internal.h"

/* Objects held by C variables of programs and libraries: roots, conservatively. */
void statics_scan(struct walk *w);

#endif
