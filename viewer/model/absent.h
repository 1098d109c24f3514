/* SPDX-License-Identifier: MIT */
/*
 * absent - memory that isn't there: which bytes of objects and of native memory were
 * never written to, or were given back (snap_absent).
 *
 * An object that keeps much in itself (bytes, str, tuple, int) may lie in such pages with
 * all but its head: bytes(1 << 20) takes a page.
 */
#ifndef PYMEM_VIEWER_MODEL_ABSENT_H
#define PYMEM_VIEWER_MODEL_ABSENT_H

#include "viewer/model/heap.h"

/* Puts heap->absent in order and makes heap->untouched; objects must be there. 0 or
 * -ENOMEM. */
int absent_build(struct heap *heap);
/* Are the arrays of a file in order, and each object there, and as large? */
bool absent_check(const struct heap *heap);
/* Bytes of [start, end) that aren't there. */
uint64_t absent_bytes(const struct heap *heap, uint64_t start, uint64_t end);
/* Bytes of all objects' own sizes that aren't there. */
uint64_t absent_of_objects(const struct heap *heap);
/* Bytes of all objects, and of native memory unless python_only, that aren't there. */
uint64_t absent_total(const struct heap *heap);

#endif
