/* SPDX-License-Identifier: MIT */
/* attribute - what an object refers to by the name of an attribute. */
#ifndef PYMEM_VIEWER_MODEL_ATTRIBUTE_H
#define PYMEM_VIEWER_MODEL_ATTRIBUTE_H

#include "viewer/model/heap.h"

/* The object that a node refers to by that attribute, slot or C member, or by that key of
 * its __dict__; HEAP_NONE: none, or node is no object. Of a node with very many
 * references only the first are looked at: attributes come first. */
uint32_t attribute_of(const struct heap *heap, uint32_t node, const char *name);
/* Whether the attribute is True. */
bool attribute_true(const struct heap *heap, uint32_t node, const char *name);

#endif
