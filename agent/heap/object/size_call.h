/* SPDX-License-Identifier: MIT */
/* size_call - a C type's own __sizeof__, called directly. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SIZE_CALL_H
#define PYMEM_AGENT_HEAP_OBJECT_SIZE_CALL_H

#include "agent/heap/core/context.h"

/*
 * method is what type's mro has for __sizeof__.  When it is a C method that may be
 * called, plans to call it per object and returns true.
 */
bool size_call_plan(struct walk *w, struct walk_type *type, uint64_t method);

#endif
