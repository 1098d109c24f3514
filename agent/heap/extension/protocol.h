/* SPDX-License-Identifier: MIT */
/*
 * protocol - C types that export a buffer, and of which nothing else is known.
 *
 * Their bf_getbuffer is asked after the sweeps, in the copy only: it takes references.
 * A Python class that defines __buffer__ (PEP 688) is not asked: that is code.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_PROTOCOL_H
#define PYMEM_AGENT_HEAP_EXTENSION_PROTOCOL_H

#include "agent/heap/core/context.h"

/* Sets type->native if its instances can be asked. */
bool protocol_plan(struct walk *w, struct walk_type *type);

/* Is what a type's instances export data, numbers or text, in which no pointers are to be
 * looked for?  All but what ctypes keeps, which may be any C structure. */
bool protocol_is_data(struct walk *w, const struct walk_type *type);

/* Asks those that had to wait for the end of the sweeps. */
void protocol_finish(struct walk *w);

#endif
