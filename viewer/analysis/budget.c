/* SPDX-License-Identifier: MIT */
/* budget - where the resident memory went (budget.h). */
#include "viewer/analysis/budget.h"

#include <assert.h>
#include <errno.h>

enum { BUDGET_CHUNK_ROUNDING = 24 }; /* a head and up to 16 bytes */

/* Kinds that are shown by themselves; the rest is "other". */
/* clang-format off */
#define KINDS(X) \
	X(SNAP_KIND_OBJECT, "instances") \
	X(SNAP_KIND_STR, "str") \
	X(SNAP_KIND_BYTES, "bytes") \
	X(SNAP_KIND_BYTEARRAY, "bytearray") \
	X(SNAP_KIND_INT, "int") \
	X(SNAP_KIND_FLOAT, "float") \
	X(SNAP_KIND_TUPLE, "tuple") \
	X(SNAP_KIND_LIST, "list") \
	X(SNAP_KIND_DICT, "dict") \
	X(SNAP_KIND_SET, "set") \
	X(SNAP_KIND_TYPE, "type") \
	X(SNAP_KIND_FUNCTION, "function") \
	X(SNAP_KIND_CODE, "code") \
	X(SNAP_KIND_DEQUE, "deque")
/* clang-format on */

static const char *const kind_titles[SNAP_KIND_COUNT] = {
#define X(kind, name) [kind] = "live objects: " name,
	KINDS(X)
#undef X
};
static const char *const kind_keys[SNAP_KIND_COUNT] = {
#define X(kind, name) [kind] = "objects." name,
	KINDS(X)
#undef X
};

static const struct {
	const char *key, *title;
} items[BUDGET_ITEM_COUNT] = {
	[BUDGET_OBJECTS] = { "objects.other", "live objects: other" },
	[BUDGET_NATIVE] = { "native", "native buffers of objects" },
	[BUDGET_POOL_FREE] = { "pymalloc.free_blocks", "pymalloc: free blocks in pools" },
	[BUDGET_ARENA_FREE] = { "pymalloc.free_pools", "pymalloc: free pools in arenas" },
	[BUDGET_MALLOC_FREE] = { "malloc.free", "malloc: free chunks" },
	[BUDGET_MALLOC_TOP] = { "malloc.top", "malloc: unused end of arenas" },
	[BUDGET_MALLOC_IDLE] = { "malloc.idle", "malloc: whole free pages" },
	[BUDGET_MALLOC_OWN] = { "malloc.own", "malloc: its own tables" },
	[BUDGET_FRAMES] = { "frames", "data stacks of Python frames" },
	[BUDGET_ROUNDING] = { "rounding", "rounding and heads of the allocators" },
	[BUDGET_UNEXPLAINED] = { "unexplained", "other C allocations, unexplained" },
	[BUDGET_FILES] = { "files", "code, libraries and their data" },
	[BUDGET_STACKS] = { "stacks", "stacks" },
	[BUDGET_SHARED] = { "shared", "shared memory" },
	[BUDGET_SPECIAL] = { "special", "special mappings" },
	[BUDGET_AGENT] = { "agent", "pymem's own" },
};

const char *budget_title(const struct budget_entry *entry)
{
	assert(entry->item < BUDGET_ITEM_COUNT);
	if (entry->item == BUDGET_OBJECTS && kind_titles[entry->kind])
		return kind_titles[entry->kind];
	return items[entry->item].title;
}

const char *budget_key(const struct budget_entry *entry)
{
	assert(entry->item < BUDGET_ITEM_COUNT);
	if (entry->item == BUDGET_OBJECTS && kind_keys[entry->kind])
		return kind_keys[entry->kind];
	return items[entry->item].key;
}

struct maker {
	const struct heap *heap;
	struct budget *budget;
	uint64_t left; /* of anonymous memory and heap */
	int err;
};

static void budget_add(struct maker *m, struct budget_entry entry)
{
	if (!m->err && (entry.size || entry.clipped))
		m->err = vec_append(&m->budget->entries, &entry, sizeof(entry));
}

/* A part of anonymous memory: at most what is left. absent: of size, not resident. */
static void budget_take(struct maker *m, enum budget_item item, uint32_t kind,
			uint64_t size, uint64_t absent, uint64_t count)
{
	struct budget_entry entry = { item, kind, size, count, 0 };

	entry.size -= absent < size ? absent : size;
	if (entry.size > m->left)
		entry.size = m->left;
	entry.clipped = size - entry.size;
	m->left -= entry.size;
	budget_add(m, entry);
}

/* The kind it is shown under; untitled ones are "other". */
static unsigned budget_kind_of(const struct heap *heap, uint32_t object)
{
	unsigned kind = heap_kind(heap, object);

	return kind < SNAP_KIND_COUNT && kind_titles[kind] ? kind : SNAP_KIND_NONE;
}

/* Bytes that objects' sizes count but that were never touched, or are swapped out. */
static void budget_find_absent(const struct heap *heap, uint64_t absent[SNAP_KIND_COUNT])
{
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);

		if (native->flags & HEAP_NATIVE_COUNTED)
			absent[budget_kind_of(heap, native->owner)] +=
				native->size - native->resident;
	}
	const struct heap_untouched *const object = heap->untouched.data;
	for (size_t i = 0; i < VEC_COUNT(heap->untouched, struct heap_untouched); i++)
		absent[budget_kind_of(heap, object[i].object)] += object[i].bytes;
}

static void budget_take_objects(struct maker *m)
{
	const struct heap *heap = m->heap;
	uint64_t size[SNAP_KIND_COUNT] = { 0 }, count[SNAP_KIND_COUNT] = { 0 };
	uint64_t absent[SNAP_KIND_COUNT] = { 0 };

	for (uint32_t o = 0; o < heap->objects; o++) {
		unsigned kind = budget_kind_of(heap, o);

		if (heap_class_of(heap, o)->flags & SNAP_OBJ_STATIC)
			continue;
		size[kind] += heap_size(heap, o);
		count[kind]++;
	}
	budget_find_absent(heap, absent);
	for (uint32_t k = 0; k < SNAP_KIND_COUNT; k++)
		if (count[k])
			budget_take(m, BUDGET_OBJECTS, k, size[k], absent[k], count[k]);
}

/* Native memory: what lies in mappings of its own kind is taken from those. */
static void budget_take_native(struct maker *m, struct budget_entry *class_)
{
	const struct heap *heap = m->heap;
	uint64_t size = 0, count = 0, resident = 0, moved = 0;

	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);
		struct budget_entry *from = native->flags & HEAP_NATIVE_FILE ?
			&class_[BUDGET_FILES] :
			&class_[BUDGET_SHARED];

		if (native->flags & HEAP_NATIVE_COUNTED)
			continue;
		count++;
		if (native->flags & (HEAP_NATIVE_FILE | HEAP_NATIVE_SHARED)) {
			uint64_t here = native->resident < from->size ? native->resident :
									from->size;

			from->size -= here;
			moved += here;
			continue;
		}
		size += native->size;
		resident += native->resident;
	}
	m->left += moved;
	budget_take(m, BUDGET_NATIVE, 0, size + moved, size - resident, count);
}

static void budget_take_frames(struct maker *m)
{
	budget_take(m, BUDGET_FRAMES, 0, heap_fact_u64(m->heap, "frames.stack_bytes", 0),
		    0, heap_fact_u64(m->heap, "frames.stack_chunks", 0));
}

static void budget_take_free(struct maker *m)
{
	const struct heap *heap = m->heap;

	budget_take(m, BUDGET_POOL_FREE, 0, heap_fact_u64(heap, "pymalloc.free_bytes", 0),
		    heap_fact_u64(heap, "pymalloc.absent_free_bytes", 0),
		    heap_fact_u64(heap, "pymalloc.free_blocks", 0));
	budget_take(m, BUDGET_ARENA_FREE, 0,
		    heap_fact_u64(heap, "pymalloc.free_pools", 0) *
			    heap_fact_u64(heap, "pymalloc.pool_size", 0),
		    heap_fact_u64(heap, "pymalloc.absent_pool_bytes", 0),
		    heap_fact_u64(heap, "pymalloc.free_pools", 0));
	budget_take(m, BUDGET_MALLOC_FREE, 0, heap_fact_u64(heap, "malloc.free_bytes", 0),
		    0, heap_fact_u64(heap, "malloc.free_chunks", 0));
	budget_take(m, BUDGET_MALLOC_TOP, 0, heap_fact_u64(heap, "malloc.top_bytes", 0),
		    0, heap_fact_u64(heap, "malloc.arenas", 0));
	budget_take(m, BUDGET_MALLOC_IDLE, 0, heap_fact_u64(heap, "malloc.idle_bytes", 0),
		    0, 0);
	budget_take(m, BUDGET_MALLOC_OWN, 0, heap_fact_u64(heap, "malloc.own_bytes", 0),
		    0, 0);
}

/* Pools' bytes that are neither free nor objects', as far as the snapshot tells. */
static uint64_t budget_pool_rounding(const struct heap *heap)
{
	const uint64_t pools = heap_fact_u64(heap, "pymalloc.pools", 0) *
		heap_fact_u64(heap, "pymalloc.pool_size", 0);
	const uint64_t known = heap_fact_u64(heap, "pymalloc.free_bytes", 0) +
		heap_fact_u64(heap, "memory.small_object_bytes", pools);

	return pools > known ? pools - known : 0;
}

/* Bytes of malloc's chunks that are known beyond what their users asked for. */
static uint64_t budget_malloc_rounding(const struct heap *heap)
{
	const uint64_t chunks = heap_fact_u64(heap, "malloc.known_bytes", 0);
	const uint64_t most =
		BUDGET_CHUNK_ROUNDING * heap_fact_u64(heap, "malloc.known_chunks", 0);
	uint64_t users = heap_fact_u64(heap, "memory.large_object_bytes", chunks);

	if (!heap_fact_u64(heap, "pymalloc.pools", 0))
		users += heap_fact_u64(heap, "memory.small_object_bytes", 0);
	for (uint32_t n = heap_native_base(heap); n < heap->nodes; n++) {
		const struct heap_native *native = heap_native_at(heap, n);

		if (!(native->flags &
		      (HEAP_NATIVE_INFERRED | HEAP_NATIVE_FILE | HEAP_NATIVE_SHARED |
		       HEAP_NATIVE_COUNTED)))
			users += native->size;
	}
	if (chunks <= users)
		return 0;
	return chunks - users < most ? chunks - users : most;
}

static void budget_take_rounding(struct maker *m)
{
	uint64_t size = budget_pool_rounding(m->heap) + budget_malloc_rounding(m->heap);

	/* worked out, not claimed: nothing that isn't resident is missing */
	budget_take(m, BUDGET_ROUNDING, 0, size < m->left ? size : m->left, 0, 0);
}

static enum budget_item budget_item_of(const struct snap_map *map)
{
	switch (map->class_) {
	case SNAP_MAP_STACK:
		return BUDGET_STACKS;
	case SNAP_MAP_FILE:
		return BUDGET_FILES;
	case SNAP_MAP_SHARED:
		return BUDGET_SHARED;
	case SNAP_MAP_SPECIAL:
		return BUDGET_SPECIAL;
	case SNAP_MAP_AGENT:
		return BUDGET_AGENT;
	default:
		return BUDGET_OBJECTS; /* heap and anonymous: to be divided */
	}
}

int budget_make(const struct heap *heap, struct budget *ret)
{
	struct maker m = { .heap = heap, .budget = ret };
	struct budget_entry class_[BUDGET_ITEM_COUNT] = { 0 };
	const struct snap_map *map = heap->map.data;

	*ret = (struct budget){ 0 };
	for (size_t i = 0; i < VEC_COUNT(heap->map, struct snap_map); i++) {
		struct budget_entry *entry = &class_[budget_item_of(&map[i])];

		entry->size += map[i].rss;
		entry->count++;
		ret->rss += map[i].rss;
		ret->swap += map[i].swap;
	}
	m.left = class_[BUDGET_OBJECTS].size;
	if (ret->rss) {
		budget_take_objects(&m);
		budget_take_native(&m, class_);
		budget_take_frames(&m);
		budget_take_free(&m);
		budget_take_rounding(&m);
		assert(m.left <= ret->rss); /* no byte has two owners */
		budget_add(&m,
			   (struct budget_entry){ .item = BUDGET_UNEXPLAINED,
						  .size = m.left });
		for (int i = BUDGET_FILES; i < BUDGET_ITEM_COUNT; i++) {
			class_[i].item = (enum budget_item)i;
			budget_add(&m, class_[i]);
		}
	}
	if (m.err)
		budget_free(ret);
	return m.err;
}

void budget_free(struct budget *budget)
{
	vec_free(&budget->entries);
}
