/* SPDX-License-Identifier: MIT */
/*
 * waste - memory that containers reserve and don't use (waste.h).
 *
 * Table sizes: Objects/dictobject.c (a power of two, two thirds usable; an index
 * of 1, 2 or 4 bytes per slot and an entry per usable slot), Objects/setobject.c
 * (a power of two of 16-byte entries, filled to three fifths, 8 of them inside
 * the object).
 */
#include "viewer/analysis/waste.h"

#include <errno.h>

#define DICT_ENTRY 24u
#define DICT_KEYS_HEADER 40u
#define SET_ENTRY 16u
#define SET_SMALL 8u
#define POINTER 8u

struct finder {
	const struct heap *heap;
	struct vec sums; /* struct waste per kind and type */
};

static void waste_add(struct finder *f, enum waste_kind kind, uint32_t type,
		      uint32_t object, uint64_t size, uint64_t wasted)
{
	struct waste *sum =
		VEC(f->sums, struct waste) + (size_t)type * WASTE_KIND_COUNT + kind;

	sum->kind = kind;
	sum->type = type;
	sum->count++;
	sum->size += size;
	sum->wasted += wasted;
	if (wasted > sum->worst || sum->count == 1) {
		sum->worst = wasted;
		sum->example = object;
	}
}

/* Bytes of the smallest keys table for that many items. */
static uint64_t waste_dict_table(uint64_t items)
{
	uint64_t slots = 8;

	while (slots * 2 / 3 < items)
		slots *= 2;
	uint64_t index = slots <= 0xff ? 1 : slots <= 0xffff ? 2 : 4;
	return DICT_KEYS_HEADER + slots * index + slots * 2 / 3 * DICT_ENTRY;
}

static uint64_t waste_over(uint64_t have, uint64_t need)
{
	return have > need ? have - need : 0;
}

/* GC header (16) is part of a container's size but not of tp_basicsize. */
static uint64_t waste_fixed_size(const struct heap *heap, uint32_t type)
{
	const struct heap_type *t = heap_type(heap, type);

	return t->basicsize + (t->flags & SNAP_TYPE_GC ? 16 : 0);
}

static uint64_t waste_count_items(struct heap_span refs, uint32_t first, uint32_t step)
{
	uint64_t items = 0;

	for (uint32_t i = first; i < refs.count; i += step)
		items += refs.target[i] != HEAP_ABSENT;
	return items;
}

/* A dict's items: values of pairs, or all of a split dict's values. */
static uint64_t waste_dict_items(const struct heap *heap, uint32_t dict)
{
	const struct heap_class *klass = heap_class_of(heap, dict);
	const struct heap_shape *shape =
		&VEC(heap->shape, struct heap_shape)[klass->shape];
	bool pairs = shape->tail == SNAP_TAIL_PAIRS && !shape->nfixed;

	return pairs ? waste_count_items(heap_refs(heap, dict), 1, 2) :
		       waste_count_items(heap_refs(heap, dict), 0, 1);
}

static void waste_look_at_dict(struct finder *f, uint32_t object, uint32_t type)
{
	const struct heap *heap = f->heap;
	const struct heap_class *klass = heap_class_of(heap, object);
	uint32_t tail = VEC(heap->shape, struct heap_shape)[klass->shape].tail;
	uint64_t size = heap_size(heap, object), items = waste_dict_items(heap, object);
	uint64_t table = waste_over(size, waste_fixed_size(heap, type));

	/* a split dict has a part of its class's table in its size */
	if (tail != SNAP_TAIL_PAIRS || !table)
		return;
	uint64_t wasted = items ? waste_over(table, waste_dict_table(items)) : table;
	if (!items)
		waste_add(f, WASTE_EMPTY_DICT, type, object, size, wasted);
	else if (wasted)
		waste_add(f, WASTE_SPARSE_DICT, type, object, size, wasted);
}

static void waste_look_at_list(struct finder *f, uint32_t object, uint32_t type)
{
	const struct heap *heap = f->heap;
	uint64_t items = heap_refs(heap, object).count, size = heap_size(heap, object);
	uint64_t wasted = waste_over(waste_over(size, waste_fixed_size(heap, type)),
				     items * POINTER);

	if (heap_type(heap, type)->flags & SNAP_TYPE_HEAP)
		return; /* subclasses have more than items */
	if (wasted)
		waste_add(f, items ? WASTE_SPARSE_LIST : WASTE_EMPTY_LIST, type, object,
			  size, wasted);
}

static void waste_look_at_set(struct finder *f, uint32_t object, uint32_t type)
{
	const struct heap *heap = f->heap;
	uint64_t items = waste_count_items(heap_refs(heap, object), 0, 1),
		 slots = SET_SMALL;
	uint64_t size = heap_size(heap, object);
	uint64_t table = waste_over(size, waste_fixed_size(heap, type));

	if (heap_type(heap, type)->flags & SNAP_TYPE_HEAP || !table)
		return;
	while (slots * 3 / 5 < items)
		slots *= 2;
	uint64_t wasted = waste_over(table, slots > SET_SMALL ? slots * SET_ENTRY : 0);
	if (wasted)
		waste_add(f, items ? WASTE_SPARSE_SET : WASTE_EMPTY_SET, type, object,
			  size, wasted);
}

/* Its __dict__; HEAP_NONE when it has none (or keeps its values inside). */
static uint32_t waste_instance_dict(const struct heap *heap, uint32_t object)
{
	struct heap_span refs = heap_refs(heap, object);

	for (uint32_t i = 0; i < refs.count; i++) {
		struct heap_label label;

		if (refs.target[i] >= heap->objects ||
		    heap_kind(heap, refs.target[i]) != SNAP_KIND_DICT)
			continue;
		heap_label(heap, object, i, &label);
		if (label.kind == SNAP_LABEL_DICT)
			return refs.target[i];
	}
	return HEAP_NONE;
}

/* __slots__ would take a pointer per attribute. */
static void waste_look_at_instance(struct finder *f, uint32_t object, uint32_t type)
{
	const struct heap *heap = f->heap;
	uint32_t dict = waste_instance_dict(heap, object);

	if (dict == HEAP_NONE)
		return;
	uint64_t size = heap_size(heap, dict);
	uint64_t wasted = waste_over(size, waste_dict_items(heap, dict) * POINTER);
	if (wasted)
		waste_add(f, WASTE_INSTANCE_DICT, type, object, size, wasted);
}

static void waste_look_at(struct finder *f, uint32_t object)
{
	uint32_t type = heap_type_of(f->heap, object);

	switch (heap_type(f->heap, type)->kind) {
	case SNAP_KIND_DICT:
		waste_look_at_dict(f, object, type);
		break;
	case SNAP_KIND_LIST:
		waste_look_at_list(f, object, type);
		break;
	case SNAP_KIND_SET:
		waste_look_at_set(f, object, type);
		break;
	case SNAP_KIND_OBJECT:
		if (heap_type(f->heap, type)->flags & SNAP_TYPE_PYTHON)
			waste_look_at_instance(f, object, type);
		break;
	default:
		break;
	}
}

int waste_find(const struct heap *heap, const struct progress *progress, struct vec *ret)
{
	struct finder f = { .heap = heap };
	size_t sums = ((size_t)heap->types + 1) * WASTE_KIND_COUNT;
	int err = vec_alloc(&f.sums, sums * sizeof(struct waste));

	for (uint32_t o = 0; o < heap->objects && !err; o++) {
		if (o % (16 * PROGRESS_EVERY) == 0)
			err = progress_step(progress, "waste", o, heap->objects);
		waste_look_at(&f, o);
	}
	for (size_t i = 0; i < sums && !err; i++)
		if (VEC(f.sums, struct waste)[i].count)
			err = vec_append(ret, VEC(f.sums, struct waste) + i,
					 sizeof(struct waste));
	vec_free(&f.sums);
	return err;
}
