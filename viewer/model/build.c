/* SPDX-License-Identifier: MIT */
/*
 * build - turns arrival-ordered columns into the heap's arrays (load.h).
 *
 * Ids are ranks of addresses.  A walk that sweeps memory upwards delivers
 * objects in that order already; then columns stay where they are and packed
 * references are resolved in place.  Otherwise each column is scattered into a
 * new one, one at a time.  References are counted per referent on the way, and
 * compared with the refcounts at the end: what is left over is the surplus.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/arrays.h"
#include "viewer/model/held.h"
#include "viewer/model/load_internal.h"
#include "viewer/model/absent.h"
#include "viewer/model/native_node.h"
#include "viewer/model/line.h"
#include "viewer/model/site.h"
#include "viewer/model/values.h"
#include "viewer/model/within.h"

struct weak_entry {
	uint64_t slot;
	uint32_t target, pad;
};

struct build {
	struct loader *loader;
	struct heap *heap;
	struct vec id;	     /* u32 per arrival; empty when the order is right
				 * already */
	struct vec indegree; /* u32 per object */
	struct vec weak;     /* struct weak_entry */
};

static uint32_t build_id_of(const struct build *b, uint32_t arrival)
{
	return b->id.size ? VEC(b->id, uint32_t)[arrival] : arrival;
}

static int build_make_ids(struct build *b)
{
	uint32_t objects = b->heap->objects;

	if (!b->loader->ascending) {
		if (vec_alloc(&b->id, objects * sizeof(uint32_t)))
			return -ENOMEM;
		uint32_t *id = b->id.data;
		for (uint32_t i = 0; i < objects; i++)
			id[i] = addrmap_id(&b->heap->addrs,
					   packed_get(&b->loader->addr, i));
	}
	vec_free(&b->loader->addr.low);
	vec_free(&b->loader->addr.high);
	return 0;
}

/* Moves elements of 1, 2 or 4 bytes. */
static void build_scatter(const uint32_t *id, const void *from, void *to, size_t width,
			  uint32_t count)
{
	assert(width == 1 || width == 2 || width == 4);
	for (uint32_t i = 0; i < count; i++)
		if (width == 4)
			((uint32_t *)to)[id[i]] = ((const uint32_t *)from)[i];
		else if (width == 2)
			((uint16_t *)to)[id[i]] = ((const uint16_t *)from)[i];
		else
			((uint8_t *)to)[id[i]] = ((const uint8_t *)from)[i];
}

static int build_permute(const struct build *b, struct vec *column, size_t width)
{
	struct vec out = { 0 };

	vec_trim(column);
	if (!b->id.size)
		return 0;
	if (vec_alloc(&out, column->size))
		return -ENOMEM;
	build_scatter(VEC(b->id, uint32_t), column->data, out.data, width,
		      b->heap->objects);
	vec_move(column, &out);
	return 0;
}

static int build_by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct heap_big *)a)->id,
		 y = ((const struct heap_big *)b)->id;

	return x < y ? -1 : x > y;
}

static void build_permute_big(const struct build *b, struct vec *big)
{
	struct heap_big *table = big->data;
	size_t count = VEC_COUNT(*big, struct heap_big);

	for (size_t i = 0; i < count; i++)
		table[i].id = build_id_of(b, table[i].id);
	if (count)
		qsort(table, count, sizeof(*table), build_by_id);
}

/* Degrees become row offsets. */
static int build_make_rows(struct build *b)
{
	struct heap *heap = b->heap;
	struct vec *degree = &b->loader->degree;
	uint32_t objects = heap->objects;
	uint64_t sum = 0, base = 0;

	vec_move(&heap->row, degree);
	if (vec_push_u32(&heap->row, 0) ||
	    vec_alloc(&heap->row_base, (((size_t)objects >> 16) + 1) * sizeof(uint64_t)))
		return -ENOMEM;
	uint32_t *row = heap->row.data;
	for (uint32_t o = 0; o <= objects; o++) {
		uint32_t count = o < objects ? row[o] : 0;

		if ((o & 0xffff) == 0) {
			base = sum;
			VEC(heap->row_base, uint64_t)[o >> 16] = base;
		}
		if (sum - base > UINT32_MAX)
			return -EFBIG;
		row[o] = (uint32_t)(sum - base);
		sum += count;
	}
	heap->slots = sum;
	vec_trim(&heap->row);
	return 0;
}

static bool build_slot_weak(const struct heap *heap, const struct heap_shape *shape,
			    uint32_t slot)
{
	if (slot < shape->nfixed)
		return VEC(heap->label, struct snap_label)[shape->first + slot].kind ==
			SNAP_LABEL_WEAK;
	return shape->tail == SNAP_TAIL_WEAK;
}

/* Weak entries of one object, its references being resolved already. */
static int build_take_weak(struct build *b, uint32_t object)
{
	struct heap *heap = b->heap;
	const struct heap_shape *shape =
		&VEC(heap->shape, struct heap_shape)[heap_class_of(heap, object)->shape];
	uint64_t row = heap_row(heap, object), end = heap_row(heap, object + 1);
	uint32_t *target = heap->target.data;

	for (uint64_t s = row; s < end; s++) {
		struct weak_entry entry = { .slot = s, .target = target[s] };

		if (target[s] >= heap->objects ||
		    !build_slot_weak(heap, shape, (uint32_t)(s - row)))
			continue;
		VEC(b->indegree, uint32_t)[target[s]]--;
		target[s] = HEAP_WEAK;
		heap->weak_edges++;
		heap->edges--;
		if (vec_append(&b->weak, &entry, sizeof(entry)))
			return -ENOMEM;
	}
	return 0;
}

static int build_resolve(struct build *b)
{
	struct heap *heap = b->heap;
	struct packed *refs = &b->loader->ref;
	uint32_t *indegree = VEC(b->indegree, uint32_t);
	uint64_t from = 0;
	bool in_place = !b->id.size && !refs->high.size;

	if (!in_place && vec_alloc(&heap->target, heap->slots * sizeof(uint32_t)))
		return -ENOMEM;
	uint32_t *target = in_place ? refs->low.data : heap->target.data;
	for (uint32_t i = 0; i < heap->objects; i++) {
		uint32_t id = build_id_of(b, i);
		uint64_t end = heap_row(heap, id + 1);

		for (uint64_t s = heap_row(heap, id); s < end; s++) {
			uint64_t packed = packed_get(refs, from++);
			uint32_t to =
				packed ? addrmap_id(&heap->addrs, packed) : HEAP_ABSENT;

			if (to < heap->objects) {
				indegree[to]++;
				heap->edges++;
			} else if (packed) {
				to = HEAP_DANGLING;
				heap->dangling++;
			}
			target[s] = to;
		}
	}
	if (in_place)
		vec_move(&heap->target, &refs->low);
	vec_free(&refs->low);
	vec_free(&refs->high);
	vec_trim(&heap->target);
	return 0;
}

static int build_by_slot(const void *a, const void *b)
{
	uint64_t x = ((const struct weak_entry *)a)->slot,
		 y = ((const struct weak_entry *)b)->slot;

	return x < y ? -1 : x > y;
}

static int build_split_weak(struct build *b)
{
	struct heap *heap = b->heap;
	size_t count;

	for (uint32_t o = 0; o < heap->objects; o++)
		if (heap_class_of(heap, o)->weak && build_take_weak(b, o))
			return -ENOMEM;
	count = VEC_COUNT(b->weak, struct weak_entry);
	if (count)
		qsort(b->weak.data, count, sizeof(struct weak_entry), build_by_slot);
	for (size_t i = 0; i < count; i++) {
		const struct weak_entry *entry = VEC(b->weak, struct weak_entry) + i;

		if (vec_append(&heap->weak_slot, &entry->slot, sizeof(uint64_t)) ||
		    vec_push_u32(&heap->weak_target, entry->target))
			return -ENOMEM;
	}
	return 0;
}

static void build_find_types(struct build *b)
{
	struct heap *heap = b->heap;
	struct heap_type *type = heap->type.data;

	for (uint32_t t = 1; t <= heap->types; t++) {
		type[t].node = heap_find(heap, type[t].addr);
		if (type[t].node == HEAP_NONE || !(type[t].flags & SNAP_TYPE_OWNED))
			continue;
		VEC(b->indegree, uint32_t)[type[t].node] += (uint32_t)type[t].count;
		heap->edges += type[t].count;
	}
}

static int build_by_name(const void *a, const void *b, void *arg)
{
	const struct heap *heap = arg;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct heap_type *s = heap_type(heap, x), *t = heap_type(heap, y);
	int order = strcmp(heap_type_name(heap, x), heap_type_name(heap, y));

	if (!order)
		order = (s->kind > t->kind) - (s->kind < t->kind);
	return order ? order : (x > y) - (x < y);
}

/* Puts types of one name together: each gets the first of them. */
static int build_find_namesakes(struct heap *heap)
{
	struct heap_type *type = heap->type.data;
	struct vec order = { 0 };

	if (vec_alloc(&order, (size_t)heap->types * 4))
		return -ENOMEM;
	uint32_t *id = order.data;
	for (uint32_t t = 0; t < heap->types; t++)
		id[t] = t + 1;
	if (heap->types)
		qsort_r(id, heap->types, sizeof(*id), build_by_name, heap);
	for (uint32_t i = 0, first = 0; i < heap->types; i++) {
		struct heap_type *t = &type[id[i]];

		if (!first || t->kind != type[first].kind ||
		    strcmp(heap_type_name(heap, id[i]), heap_type_name(heap, first)))
			first = id[i];
		t->namesake = first;
		type[first].namesakes++;
	}
	vec_free(&order);
	return 0;
}

/* None, True and False are never freed, whoever forgets a reference to them (numpy, where
 * it makes arrays of objects smaller): immortal since 3.12, and not counted before. */
static bool build_is_for_ever(const struct heap *heap, uint32_t object)
{
	const unsigned kind = heap_kind(heap, object);

	return kind == SNAP_KIND_NONE || kind == SNAP_KIND_BOOL;
}

static int build_find_surplus(struct build *b)
{
	struct heap *heap = b->heap;

	for (uint32_t o = 0; o < heap->objects; o++) {
		uint64_t count = heap_refcount(heap, o),
			 found = VEC(b->indegree, uint32_t)[o];
		int64_t by = (int64_t)(count - found);

		if (!count) /* immortal */
			continue;
		if (!build_is_for_ever(heap, o)) {
			heap->references_counted += count;
			heap->references_explained += found < count ? found : count;
		}
		if (by &&
		    (vec_push_u32(&heap->surplus_id, o) ||
		     vec_append(&heap->surplus_by, &by, sizeof(by))))
			return -ENOMEM;
	}
	vec_trim(&heap->surplus_id);
	vec_trim(&heap->surplus_by);
	return 0;
}

static int build_columns(struct build *b)
{
	struct heap *heap = b->heap;

	if (build_make_ids(b) || build_permute(b, &heap->klass, 4) ||
	    build_permute(b, &heap->size16, 2) || build_permute(b, &heap->refcount8, 1) ||
	    build_permute(b, &b->loader->degree, 4))
		return -ENOMEM;
	build_permute_big(b, &heap->size_big);
	build_permute_big(b, &heap->refcount_big);
	return build_make_rows(b);
}

static int build_all(struct build *b)
{
	struct heap *heap = b->heap;
	uint64_t nodes = (uint64_t)heap->objects + HEAP_SYNTH_GROUP_COUNT +
		heap->threads + heap->frames;
	int err;

	if (addrmap_rank(&heap->addrs))
		return -ENOMEM;
	site_build(heap);
	line_build(heap);
	err = build_columns(b);
	if (!err)
		err = absent_build(heap);
	if (!err)
		err = native_node_build(heap);
	if (err)
		return err;
	nodes += VEC_COUNT(heap->native, struct heap_native);
	if (nodes > HEAP_MAX_NODES)
		return -EFBIG;
	heap->nodes = (uint32_t)nodes;
	if (vec_alloc(&b->indegree, heap->objects * sizeof(uint32_t)))
		return -ENOMEM;
	err = build_resolve(b);
	vec_free(&b->id);
	if (err || build_split_weak(b) || within_take_out(heap))
		return -ENOMEM;
	build_find_types(b);
	if (build_find_namesakes(heap) || build_synth(b->loader, b->indegree.data))
		return -ENOMEM;
	err = held_build(heap, &b->loader->roots, b->indegree.data);
	vec_free(&b->loader->roots);
	if (err || build_find_surplus(b))
		return err ? err : -ENOMEM;
	vec_free(&b->indegree);
	return values_build(heap, &b->loader->values);
}

/* Arrays that stayed empty get an address too, so that offset 0 in them is defined. */
static int build_map_empty(struct heap *heap)
{
	int err = 0;

	for (size_t i = 0; i < heap_array_count && !err; i++)
		if (!heap_array(heap, i)->data)
			err = vec_reserve(heap_array(heap, i), 1);
	return err;
}

int build_arrays(struct loader *loader)
{
	struct build b = { .loader = loader, .heap = loader->heap };
	int err = build_all(&b);

	if (!err)
		err = build_map_empty(loader->heap);

	vec_free(&b.id);
	vec_free(&b.indegree);
	vec_free(&b.weak);
	vec_free(&loader->class_hash);
	return err;
}
