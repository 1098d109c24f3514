/* SPDX-License-Identifier: MIT */
/*
 * native_node - memory outside of objects, as nodes (native_node.h).
 *
 * Rows of the snapshot become pieces, pieces sorted by address become blocks (overlapping
 * ones are one), blocks with one owner are added up by owner and source.
 */
#include "viewer/model/native_node.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/absent.h"

/* Bytes that an object's own size counts, and a view of memory whose owner nobody knows,
 * are worth a node from here on. Less that is viewed is more likely a part of something
 * that is counted already. */
#define NODE_LEAST 4096u
/* Where an object keeps bytes in itself they begin within these, after its head. */
#define INLINE_FROM 16u
#define INLINE_TO 64u

struct piece {
	uint64_t data, end, length; /* end: of what surely is one range */
	uint32_t node, source, sharers;
	uint32_t block;
	uint32_t owner; /* 1; 0: only looks at it */
	uint32_t flags; /* enum heap_native_flags */
};

struct sole {
	uint32_t owner, source, flags, sharers;
	uint64_t size, resident;
};

struct block {
	uint64_t data, end, size, resident;
	uint32_t number;
	bool scattered; /* in parts, of which the sum alone is known */
};

struct maker {
	struct heap *heap;
	struct vec piece, sole; /* struct piece, struct sole */
	struct vec block;	/* struct block */
	struct vec left; /* u64 per mapping: bytes in memory that nobody took yet */
	uint32_t blocks;
};

/* ---- mappings ---- */

static const struct snap_map *native_node_map_at(const struct heap *heap,
						 uint64_t address)
{
	const struct snap_map *map = heap->map.data;
	size_t lo = 0, hi = VEC_COUNT(heap->map, struct snap_map), count = hi;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (map[mid].end <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < count ? &map[lo] : NULL;
}

/*
 * How much of a block is in memory: all but what is told to be absent; else what its
 * mappings have left, resident or swapped out, once shorter blocks took theirs. Mappings
 * that touch become one, so that an array never written to shares one with what is in
 * use: the shorter ones are likelier to be.
 */
static void native_node_take_resident(struct maker *m, struct block *b)
{
	const struct snap_map *map = m->heap->map.data, *at;
	size_t count = VEC_COUNT(m->heap->map, struct snap_map);
	uint64_t *left = m->left.data, sum = 0;

	at = b->data ? native_node_map_at(m->heap, b->data) : NULL;
	for (; at && at < map + count && at->start < b->end; at++) {
		uint64_t from = at->start > b->data ? at->start : b->data;
		uint64_t to = at->end < b->end ? at->end : b->end;
		uint64_t here = to > from ? to - from : 0;

		here -= here ? absent_bytes(m->heap, from, to) : 0;
		if (here > left[at - map])
			here = left[at - map];
		left[at - map] -= here;
		sum += here;
	}
	/* what was written by an allocator's user, here and there, is in memory */
	b->scattered = !b->data || !count || b->size != b->end - b->data;
	b->resident = b->scattered ? b->size : sum;
}

/*
 * Scattered blocks have together no more than what the others and the objects leave of
 * anonymous memory.  Where they claim more, some of it was never written to, which of it
 * isn't known: each has its share of the rest.
 */
static void native_node_share_rest(struct maker *m)
{
	const struct snap_map *map = m->heap->map.data;
	const uint64_t *left = m->left.data;
	struct block *block = m->block.data;
	uint64_t rest = 0, claimed = 0, anonymous = 0;

	for (size_t i = 0; i < VEC_COUNT(m->heap->map, struct snap_map); i++) {
		const uint64_t own = map[i].anonymous + map[i].swap;
		const uint64_t here = left[i] < own ? left[i] : own;

		anonymous += map[i].anonymous; /* 0: it isn't told */
		rest += here > map[i].object_bytes ? here - map[i].object_bytes : 0;
	}
	for (uint32_t i = 0; i < m->blocks; i++)
		claimed += block[i].scattered ? block[i].size : 0;
	if (!anonymous || !rest || claimed <= rest)
		return;
	for (uint32_t i = 0; i < m->blocks; i++)
		if (block[i].scattered)
			block[i].resident = (uint64_t)((double)block[i].size *
						       (double)rest / (double)claimed);
}

static int native_node_by_length(const void *a, const void *b)
{
	const struct block *x = a, *y = b;
	uint64_t n = x->end - x->data, m = y->end - y->data;

	if (n != m)
		return n < m ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int native_node_by_number(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* m->block: every block with what of it is in memory, by number (from 1). */
static int native_node_measure(struct maker *m)
{
	const struct snap_map *map = m->heap->map.data;
	const struct piece *p = m->piece.data;
	size_t maps = VEC_COUNT(m->heap->map, struct snap_map);

	if (vec_alloc(&m->left, maps * sizeof(uint64_t)) ||
	    vec_alloc(&m->block, m->blocks * sizeof(struct block)))
		return -ENOMEM;
	struct block *block = m->block.data;
	for (size_t i = 0; i < maps; i++)
		VEC(m->left, uint64_t)[i] = map[i].rss + map[i].swap;
	for (size_t i = 0; i < VEC_COUNT(m->piece, struct piece); i++) {
		struct block *b = &block[p[i].block - 1];

		b->data = !b->number || p[i].data < b->data ? p[i].data : b->data;
		b->end = p[i].end > b->end ? p[i].end : b->end;
		b->size = p[i].length > b->size ? p[i].length : b->size;
		if (b->end - b->data > b->size)
			b->size = b->end - b->data;
		b->number = p[i].block;
	}
	if (!m->blocks)
		return 0;
	qsort(block, m->blocks, sizeof(*block), native_node_by_length);
	for (uint32_t i = 0; i < m->blocks; i++)
		native_node_take_resident(m, &block[i]);
	native_node_share_rest(m);
	qsort(block, m->blocks, sizeof(*block), native_node_by_number);
	return 0;
}

/* Flags for where a block lies. */
static uint32_t native_node_place(const struct heap *heap, uint64_t data)
{
	const struct snap_map *map = data ? native_node_map_at(heap, data) : NULL;

	if (!map || data < map->start)
		return 0;
	return map->class_ == SNAP_MAP_FILE    ? HEAP_NATIVE_FILE :
		map->class_ == SNAP_MAP_SHARED ? HEAP_NATIVE_SHARED :
						 0;
}

/* ---- pieces ---- */

/* Whether bytes at data are what an object there keeps in itself. */
static bool native_node_inline(const struct heap *heap, uint64_t data)
{
	for (uint64_t back = INLINE_FROM; back <= INLINE_TO && back < data; back += 8) {
		uint32_t object = heap_find(heap, data - back);

		if (object != HEAP_NONE)
			return heap_size(heap, object) > back;
	}
	return false;
}

/* Whether a view shows memory that nothing else accounts for. */
static bool native_node_foreign(const struct heap *heap, const struct snap_buffer *b)
{
	const struct snap_map *map = native_node_map_at(heap, b->data);

	return !b->owner && b->length >= NODE_LEAST && map && b->data >= map->start &&
		(map->class_ == SNAP_MAP_HEAP || map->class_ == SNAP_MAP_ANON) &&
		!native_node_inline(heap, b->data);
}

/* Bytes from data on that are one range for certain: what a probe adds up from many
 * allocations begins there, but is not. */
static uint64_t native_node_extent(const struct heap *heap, const struct snap_buffer *b)
{
	const char *source = heap_string(heap, b->source, NULL);
	bool one = b->flags & SNAP_BUFFER_VIEW || !strcmp(source, "buffer") ||
		!strcmp(source, "numpy");

	return one && !(b->flags & SNAP_BUFFER_INFERRED) && b->chunks <= 1 ? b->length :
									     1;
}

static int native_node_take_rows(struct maker *m)
{
	const struct snap_buffer *b = m->heap->buffer.data;
	size_t count = VEC_COUNT(m->heap->buffer, struct snap_buffer);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		struct piece p = { .data = b[i].data,
				   .length = b[i].length,
				   .sharers = (uint32_t)b[i].sharers,
				   .source = b[i].source,
				   .owner = !!(b[i].flags & SNAP_BUFFER_OWNER) };

		if (!b[i].length || (!p.owner && !native_node_foreign(m->heap, &b[i])))
			continue;
		if (b[i].flags & SNAP_BUFFER_COUNTED) {
			p.flags = HEAP_NATIVE_COUNTED;
			if (b[i].length < NODE_LEAST)
				continue;
		}
		p.end = p.data + native_node_extent(m->heap, &b[i]);
		if (p.end < p.data)
			p.end = UINT64_MAX;
		if (b[i].flags & SNAP_BUFFER_INFERRED)
			p.flags |= HEAP_NATIVE_INFERRED;
		if (b[i].sharers > 1)
			p.flags |= HEAP_NATIVE_JOINT;
		p.node = heap_find(m->heap, b[i].object);
		err = vec_append(&m->piece, &p, sizeof(p));
	}
	return err;
}

static int native_node_by_data(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->data < y->data ? -1 : x->data > y->data;
}

/* Of a block: owners before those that look on, then by node. */
static int native_node_by_block(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	if (x->owner != y->owner)
		return x->owner ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Numbers the blocks; pieces without an address are one each. */
static void native_node_find_blocks(struct maker *m)
{
	struct piece *p = m->piece.data;
	size_t count = VEC_COUNT(m->piece, struct piece);
	uint64_t end = 0;

	if (count)
		qsort(p, count, sizeof(*p), native_node_by_data);
	for (size_t i = 0; i < count; i++) {
		m->blocks += !i || !p[i].data || p[i].data >= end;
		if (!p[i].data || p[i].data >= end)
			end = 0;
		p[i].block = m->blocks;
		if (p[i].data && p[i].end > end)
			end = p[i].end;
	}
	if (count)
		qsort(p, count, sizeof(*p), native_node_by_block);
}

/* ---- nodes ---- */

static int native_node_push_edge(struct heap *heap, uint32_t object, size_t native)
{
	uint64_t edge = (uint64_t)object << 32 | (uint32_t)native;

	return vec_append(&heap->native_edge, &edge, sizeof(edge));
}

/* A block that several objects hold. */
static int native_node_add_shared(struct maker *m, const struct piece *p, size_t owners,
				  const struct sole *s)
{
	struct heap_native native = { .size = s->size,
				      .resident = s->resident,
				      .source = p->source,
				      .owner = p->node,
				      .flags = s->flags };
	size_t index = VEC_COUNT(m->heap->native, struct heap_native);
	int err = 0;

	for (size_t i = 0; i < owners && !err; i++) {
		if (p[i].node == HEAP_NONE || (i && p[i].node == p[i - 1].node))
			continue;
		native.owners++;
		err = native_node_push_edge(m->heap, p[i].node, index);
	}
	return err ? err : vec_append(&m->heap->native, &native, sizeof(native));
}

/* One block: p[0 .. count) are its pieces, owners first. */
static int native_node_add_block(struct maker *m, const struct piece *p, size_t count)
{
	const struct block *block = VEC(m->block, struct block) + p->block - 1;
	size_t owners = 0, distinct = 0;

	while (owners < count && p[owners].owner == p->owner) {
		distinct += !owners || p[owners].node != p[owners - 1].node;
		owners++;
	}
	struct sole s = { .owner = p->node,
			  .source = p->source,
			  .sharers = p->sharers,
			  .flags = p->flags | native_node_place(m->heap, block->data),
			  .size = block->size,
			  .resident = block->resident };
	/* a mapped file is not memory of its own: what of it is resident counts */
	if (s.flags & (HEAP_NATIVE_FILE | HEAP_NATIVE_SHARED))
		s.size = s.resident;
	if (s.flags & HEAP_NATIVE_COUNTED && (distinct > 1 || s.owner == HEAP_NONE))
		return 0; /* whose size counts it isn't known */
	if (distinct > 1)
		return native_node_add_shared(m, p, owners, &s);
	return vec_append(&m->sole, &s, sizeof(s));
}

static int native_node_by_owner(const void *a, const void *b)
{
	const struct sole *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return x->flags < y->flags ? -1 : x->flags > y->flags;
}

/* What a size counts is no more than that size. */
static void native_node_clip(struct heap_native *native, uint64_t size)
{
	if (native->size > size)
		native->size = size;
	if (native->resident > native->size)
		native->resident = native->size;
}

/* Adds up what one object owns, by source. */
static int native_node_add_sole(struct maker *m)
{
	struct heap *heap = m->heap;
	struct sole *s = m->sole.data;
	size_t count = VEC_COUNT(m->sole, struct sole), end;
	uint32_t sharers = 0;
	int err = 0;

	if (count)
		qsort(s, count, sizeof(*s), native_node_by_owner);
	for (size_t i = 0; i < count && !err; i = end) {
		struct heap_native native = { .source = s[i].source,
					      .owner = s[i].owner,
					      .owners = s[i].owner != HEAP_NONE,
					      .flags = s[i].flags };

		sharers = 0;
		for (end = i; end < count && !native_node_by_owner(&s[i], &s[end]);
		     end++) {
			native.size += s[end].size;
			native.resident += s[end].resident;
			sharers = s[end].sharers > sharers ? s[end].sharers : sharers;
		}
		if (native.flags & HEAP_NATIVE_COUNTED)
			native_node_clip(&native, heap_size(heap, native.owner));
		if (native.flags & HEAP_NATIVE_JOINT)
			native.owners = sharers > 1 ? sharers : 2;
		else if (native.owners)
			err = native_node_push_edge(
				heap, native.owner,
				VEC_COUNT(heap->native, struct heap_native));
		if (!err)
			err = vec_append(&heap->native, &native, sizeof(native));
	}
	return err;
}

static int native_node_by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int native_node_build(struct heap *heap)
{
	struct maker m = { .heap = heap };
	int err = native_node_take_rows(&m);
	const struct piece *p = m.piece.data;
	size_t count = VEC_COUNT(m.piece, struct piece), end;

	assert(!heap->native.size && !heap->native_edge.size);
	if (!err) {
		native_node_find_blocks(&m);
		err = native_node_measure(&m);
	}
	for (size_t i = 0; i < count && !err; i = end) {
		for (end = i; end < count && p[end].block == p[i].block; end++)
			;
		err = native_node_add_block(&m, p + i, end - i);
	}
	if (!err)
		err = native_node_add_sole(&m);
	if (!err && heap->native_edge.size)
		qsort(heap->native_edge.data, VEC_COUNT(heap->native_edge, uint64_t),
		      sizeof(uint64_t), native_node_by_value);
	vec_trim(&heap->native);
	vec_trim(&heap->native_edge);
	vec_free(&m.piece);
	vec_free(&m.sole);
	vec_free(&m.block);
	vec_free(&m.left);
	return err;
}

/* ---- looking ---- */

size_t native_node_first(const struct heap *heap, uint32_t object)
{
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	size_t lo = 0, hi = VEC_COUNT(heap->native_edge, uint64_t);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (edge[mid] >> 32 < object)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint64_t heap_native_slow(const struct heap *heap, uint32_t node)
{
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	uint64_t sum = 0;

	if (node >= heap->objects)
		return heap_is_native(heap, node) ? heap_native_at(heap, node)->size : 0;
	for (size_t i = native_node_first(heap, node);
	     i < VEC_COUNT(heap->native_edge, uint64_t) && edge[i] >> 32 == node; i++) {
		const struct heap_native *native =
			VEC(heap->native, struct heap_native) + (uint32_t)edge[i];

		if (native->owners == 1 && !(native->flags & HEAP_NATIVE_COUNTED))
			sum += native->size;
	}
	return sum;
}

uint64_t native_node_inside(const struct heap *heap, uint32_t object)
{
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	uint64_t sum = 0, size = heap_size(heap, object);

	for (size_t i = native_node_first(heap, object);
	     i < VEC_COUNT(heap->native_edge, uint64_t) && edge[i] >> 32 == object; i++) {
		const struct heap_native *native =
			VEC(heap->native, struct heap_native) + (uint32_t)edge[i];

		sum += native->flags & HEAP_NATIVE_COUNTED ? native->size : 0;
	}
	return sum < size ? sum : size;
}

uint64_t native_node_own(const struct heap *heap, uint32_t node)
{
	const struct heap_native *const native = heap_native_at(heap, node);
	const uint64_t *const edge = VEC(heap->native_edge, uint64_t);
	const uint64_t own =
		(uint64_t)native->owner << 32 | (node - heap_native_base(heap));
	uint64_t left;

	if (!(native->flags & HEAP_NATIVE_COUNTED))
		return native->size;
	left = heap_size(heap, native->owner);
	for (size_t i = native_node_first(heap, native->owner);
	     i < VEC_COUNT(heap->native_edge, uint64_t) && edge[i] <= own; i++) {
		const struct heap_native *const with =
			VEC(heap->native, struct heap_native) + (uint32_t)edge[i];
		const uint64_t size = with->size < left ? with->size : left;

		if (edge[i] == own)
			return size;
		left -= with->flags & HEAP_NATIVE_COUNTED ? size : 0;
	}
	return 0; /* none is known to own it alone */
}

uint64_t native_node_total(const struct heap *heap)
{
	const struct heap_native *native = VEC(heap->native, struct heap_native);
	uint64_t sum = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->native, struct heap_native); i++)
		sum += native[i].flags & HEAP_NATIVE_COUNTED ? 0 : native[i].size;
	return sum;
}

uint64_t native_node_heap_total(const struct heap *heap)
{
	return heap->size + (heap->python_only ? 0 : native_node_total(heap));
}

int native_node_owners(const struct heap *heap, uint32_t node, struct vec *ret)
{
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	uint32_t index = node - heap_native_base(heap);
	int err = 0;

	assert(heap_is_native(heap, node));
	for (size_t i = 0; i < VEC_COUNT(heap->native_edge, uint64_t) && !err; i++)
		if ((uint32_t)edge[i] == index)
			err = vec_push_u32(ret, (uint32_t)(edge[i] >> 32));
	return err;
}
