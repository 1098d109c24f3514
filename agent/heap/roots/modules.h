/* SPDX-License-Identifier: MIT */
/* modules - the modules of an interpreter, by name. */
#ifndef PYMEM_AGENT_HEAP_ROOTS_MODULES_H
#define PYMEM_AGENT_HEAP_ROOTS_MODULES_H

#include "agent/heap/core/interps.h"

/* A module of that interpreter by its name in sys.modules; 0 = none. */
uint64_t modules_get(struct walk *w, const struct interp *interp, const char *name);
/* ... and a value of its dict. */
uint64_t modules_value(struct walk *w, const struct interp *interp, const char *module,
		       const char *name);
/* A borrowed root for each. */
void modules_emit(struct walk *w, const struct interp *interp);

#endif
