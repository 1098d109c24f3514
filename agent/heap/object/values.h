/* SPDX-License-Identifier: MIT */
/*
 * values - previews of what objects contain, read natively, never by repr.
 *
 * str, bytes, bytearray, int, float and bool get a value event; functions,
 * code, modules, types, builtins, descriptors and generators a NAME.  Text that
 * lies in the object as the snapshot wants it (ASCII str, bytes) is passed on in
 * place, without a copy.  A hash is computed only when the preview does not
 * hold the whole value, or when values are to be left out (--no-values): then
 * text is sent for interned identifiers only, so that attribute names and
 * keyword names stay readable.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_VALUES_H
#define PYMEM_AGENT_HEAP_OBJECT_VALUES_H

#include "agent/heap/core/context.h"

/* Sets type->values where instances get a preview. Without memory: none do. */
void values_plan(struct walk *w, struct walk_type *type);

#endif
