/* SPDX-License-Identifier: MIT */
/*
 * native_node - memory outside of objects, as nodes of the graph.
 *
 * A native node stands for bytes that an object owns outside of itself: the pixels of an
 * image, the tree of a parser, a mapping; also those that its own size counts (numpy's
 * data), unless they are few.  All blocks that one
 * object owns and that were found in the same way are one node; a block that several
 * objects own, or look at while nobody is known to own it, is a node of its own, held by
 * them all.  Blocks that overlap are one, so that each byte counts once.
 *
 * Native nodes are the last of the heap's nodes.  They refer to nothing; the references
 * to them are not among heap_refs: heap_native_of and native_node_owners have them.
 */
#ifndef PYMEM_VIEWER_MODEL_NATIVE_NODE_H
#define PYMEM_VIEWER_MODEL_NATIVE_NODE_H

#include "viewer/model/heap.h"

/* Makes heap->native and heap->native_edge from heap->buffer and heap->map; objects must
 * be found by their addresses already. 0 or -ENOMEM. */
int native_node_build(struct heap *heap);

/* Bytes of all native nodes that are in no object's size, each allocation once. */
uint64_t native_node_total(const struct heap *heap);
/* Bytes of all objects and, unless python_only, of all native nodes. */
uint64_t native_node_heap_total(const struct heap *heap);

/* The objects that hold a native node, ascending. 0 or -ENOMEM; ret gets u32 nodes. */
int native_node_owners(const struct heap *heap, uint32_t node, struct vec *ret);

/* Bytes of an object's size that are its native nodes'. */
uint64_t native_node_inside(const struct heap *heap, uint32_t object);
/* Bytes of a native node where the former are no longer the object's: each is in one
 * node, and all of them and the objects' add up to native_node_heap_total. */
uint64_t native_node_own(const struct heap *heap, uint32_t node);

/* First entry of heap->native_edge that is of the object or a later one. */
size_t native_node_first(const struct heap *heap, uint32_t object);

#endif
