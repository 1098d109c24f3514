/* SPDX-License-Identifier: MIT */
/* statics - C variables that hold Python objects. */
#ifndef PYMEM_AGENT_HEAP_SCAN_STATICS_H
#define PYMEM_AGENT_HEAP_SCAN_STATICS_H

#include "agent/heap/core/context.h"

/* Objects held by C variables of programs and libraries: roots, conservatively. */
void statics_scan(struct walk *w);

#endif
