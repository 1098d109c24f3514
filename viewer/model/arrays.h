/* SPDX-License-Identifier: MIT */
/*
 * arrays - the list of a heap's arrays, for whoever treats them all alike
 * (freeing, the sidecar).
 */
#ifndef PYMEM_VIEWER_MODEL_ARRAYS_H
#define PYMEM_VIEWER_MODEL_ARRAYS_H

#include <stddef.h>

#include "viewer/model/heap.h"

/* member, size of one element */
#define HEAP_ARRAYS(X) \
	X(addrs.lines, sizeof(struct addrmap_line)) \
	X(addrs.chunks, sizeof(struct addrmap_chunk)) \
	X(addrs.order, 4) \
	X(addrs.hash, 4) \
	X(klass, 4) \
	X(size16, 2) \
	X(refcount8, 1) \
	X(row_base, 8) \
	X(row, 4) \
	X(target, 4) \
	X(held_slot, 8) \
	X(surplus_id, 4) \
	X(surplus_by, 8) \
	X(size_big, sizeof(struct heap_big)) \
	X(refcount_big, sizeof(struct heap_big)) \
	X(weak_slot, 8) \
	X(weak_target, 4) \
	X(value_block, 8) \
	X(value_data, 1) \
	X(classes, sizeof(struct heap_class)) \
	X(type, sizeof(struct heap_type)) \
	X(shape, sizeof(struct heap_shape)) \
	X(label, sizeof(struct snap_label)) \
	X(string, 4) \
	X(text, 1) \
	X(thread, sizeof(struct snap_thread)) \
	X(frame, sizeof(struct snap_frame)) \
	X(synth, sizeof(struct heap_synth)) \
	X(synth_target, 4) \
	X(synth_label, sizeof(struct heap_synth_label)) \
	X(map, sizeof(struct snap_map)) \
	X(buffer, sizeof(struct snap_buffer)) \
	X(chunks, sizeof(struct snap_chunks)) \
	X(shared, sizeof(struct snap_shared)) \
	X(absent, sizeof(struct snap_absent)) \
	X(untouched, sizeof(struct heap_untouched)) \
	X(site, sizeof(struct snap_site)) \
	X(trace, sizeof(struct snap_trace)) \
	X(line, sizeof(struct snap_line)) \
	X(native, sizeof(struct heap_native)) \
	X(native_edge, 8) \
	X(size_check, sizeof(struct snap_size_check)) \
	X(error, sizeof(struct snap_error)) \
	X(fact, sizeof(struct heap_fact)) \
	X(fact_text, 1)

struct heap_array {
	size_t offset, element;
};

static const struct heap_array heap_array_list[] = {
#define X(member, element) { offsetof(struct heap, member), element },
	HEAP_ARRAYS(X)
#undef X
};

static const size_t heap_array_count =
	sizeof(heap_array_list) / sizeof(heap_array_list[0]);

static inline struct vec *heap_array(struct heap *heap, size_t i)
{
	return (struct vec *)(void *)((char *)heap + heap_array_list[i].offset);
}

#endif
