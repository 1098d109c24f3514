/* SPDX-License-Identifier: MIT */
/*
 * load - builds a heap from the events of a snapshot (formats/core/sink.h).
 *
 * While events arrive, objects are kept in arrival order: packed addresses,
 * class, size, refcount, number of references, packed referents; values as one
 * byte stream.  loader_finish ranks the address bitmap, moves the columns into
 * address order and turns packed referents into ids, one column at a time, so
 * that no more than two copies of one column exist.
 */
#ifndef PYMEM_VIEWER_MODEL_LOAD_H
#define PYMEM_VIEWER_MODEL_LOAD_H

#include "viewer/model/heap.h"

struct loader;

struct loader *loader_create(void);	    /* NULL: out of memory */
void loader_destroy(struct loader *loader); /* NULL is fine */
/* To be fed; any prefix of the events makes a heap. */
struct snap_sink *loader_sink(struct loader *loader);
/* Live counts while events arrive: objects, bytes; per type count and size are in
 * heap->type. Names via heap_string. Nothing else of heap is valid yet. */
const struct heap *loader_peek(const struct loader *loader, uint64_t *objects_ret,
			       uint64_t *bytes_ret);
/* The heap so far; the loader is used up (destroy it still). complete: END was seen.
 * 0, -ENOMEM, -EFBIG (more than 2^32-16 nodes). */
int loader_finish(struct loader *loader, bool complete, struct heap **ret);

#endif
