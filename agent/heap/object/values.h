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

#include <stdbool.h>
#include <stdint.h>

enum { VALUES_NAME_MAX = 512 };

struct walk;

/* The value of a non-negative int below 2^64; false: it isn't one. */
bool values_u64(const struct walk *w, uint64_t obj, uint64_t *ret);

#endif
