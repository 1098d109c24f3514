/* SPDX-License-Identifier: MIT */
/* size_call - a C type's own __sizeof__, called directly. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SIZE_CALL_H
#define PYMEM_AGENT_HEAP_OBJECT_SIZE_CALL_H

#include "agent/heap/core/context.h"

/* The PyMethodDef of a descriptor of a C method; 0: it is another object, or 0. */
uint64_t size_call_definition(const struct walk *w, uint64_t method);

/*
 * def is the PyMethodDef (or 0) of what type's mro has for __sizeof__, in the class
 * owner.  When it may be called, plans to call it per object and returns true.
 */
bool size_call_plan(struct walk *w, struct walk_type *type, uint64_t def, uint64_t owner);

#endif
