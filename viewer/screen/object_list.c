/* SPDX-License-Identifier: MIT */
/* object_list - see object_list.h. */
#include "viewer/screen/object_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/native_node.h"
#include "viewer/name/alike.h"
#include "viewer/screen/rank.h"

enum { MAX_PATH = 256 };

/* So many alike ones are one row: more than in a tree (alike.c), for here one came to see
 * them. */
enum { LEAST = 8, LEAST_NAMED = 20 };

static const struct heap *object_list_heap(const void *list)
{
	return ((const struct object_list *)list)->process->heap;
}

size_t object_list_part_rows(const struct object_list *l, enum object_part part)
{
	return part == OBJECT_PART_PATH ? way_rows(&l->way) : l->fold[part].rows;
}

struct object_place object_list_place(const struct object_list *l, size_t row)
{
	for (int part = 0; part < OBJECT_PART_COUNT; part++) {
		const size_t n = object_list_part_rows(l, (enum object_part)part) + 1;
		struct object_place place = { .part = (enum object_part)part,
					      .index = SIZE_MAX };

		if (row >= n) {
			row -= n;
			continue;
		}
		if (row > 0)
			place.index = row - 1;
		if (row > 0 && part != OBJECT_PART_PATH)
			place.row = fold_at(&l->fold[part], row - 1);
		return place;
	}
	return (struct object_place){ .part = OBJECT_PART_COUNT, .index = SIZE_MAX };
}

/* How many native nodes the object holds. */
static uint32_t object_list_natives(const struct object_list *l)
{
	const struct heap *heap = l->process->heap;
	const uint64_t *edge = VEC(heap->native_edge, uint64_t);
	size_t count = VEC_COUNT(heap->native_edge, uint64_t), first, n = 0;

	if (!count || heap->python_only || !heap_is_object(heap, l->node))
		return 0;
	first = native_node_first(heap, l->node);
	while (first + n < count && edge[first + n] >> 32 == l->node)
		n++;
	return (uint32_t)n;
}

/* What a field leads to. */
uint32_t object_list_field(const struct object_list *l, uint32_t slot, bool *weak)
{
	const struct heap *heap = l->process->heap;
	uint32_t fields = heap_refs(heap, l->node).count;

	if (slot == HEAP_NONE)
		return heap_type_edge(heap, l->node);
	if (slot < fields)
		return heap_target(heap, l->node, slot, weak);
	return heap_native_base(heap) +
		(uint32_t)VEC(heap->native_edge,
			      uint64_t)[native_node_first(heap, l->node) + slot - fields];
}

/* What a row's id stands for; of several, for the first of them. */
uint32_t object_list_target(const struct object_list *l, const struct object_place *at)
{
	if (at->index == SIZE_MAX)
		return HEAP_NONE;
	if (at->part == OBJECT_PART_PATH)
		return way_node(&l->way, at->index);
	return at->part == OBJECT_PART_FIELDS ? object_list_field(l, at->row.id, NULL) :
						at->row.id;
}

static uint64_t object_list_node_weight(const void *arg, uint32_t node)
{
	const struct object_list *l = arg;
	const struct analysis *a = l->process->analysis;

	return node == HEAP_NONE ? 0 :
		a		 ? analysis_retained(a, node) :
				   heap_shallow(l->process->heap, node);
}

static uint64_t object_list_slot_weight(const void *arg, uint32_t slot)
{
	return object_list_node_weight(arg, object_list_field(arg, slot, NULL));
}

/* Those of one type; weak references to them by themselves. */
static uint32_t object_list_node_group(const void *arg, uint32_t node)
{
	return node == HEAP_NONE ? 0 : heap_namesake_of(object_list_heap(arg), node);
}

static uint32_t object_list_slot_group(const void *arg, uint32_t slot)
{
	bool weak = false;
	const uint32_t node = object_list_field(arg, slot, &weak);
	const uint32_t group = slot == HEAP_NONE ? 0 : object_list_node_group(arg, node);

	return group && weak ? group + object_list_heap(arg)->types + 1 : group;
}

/* Whether one node has been met before. */
static bool object_list_met(uint8_t *met, uint32_t node)
{
	const uint8_t bit = (uint8_t)(1u << node % 8);
	const bool before = met[node / 8] & bit;

	met[node / 8] |= bit;
	return before;
}

/* What those of a line have together; met: a bit of each node.  Nodes with one immediate
 * dominator keep nothing of each other alive. */
static void object_list_sum(const struct object_list *l, enum object_part part,
			    struct fold_line *line, uint8_t *met)
{
	const struct heap *heap = l->process->heap;
	const struct analysis *a = l->process->analysis;
	uint32_t dominator = HEAP_NONE;

	line->overlap = !a;
	for (uint32_t i = 0; i < line->count; i++) {
		const uint32_t id = l->fold[part].ids[line->first + i];
		const uint32_t node =
			part == OBJECT_PART_FIELDS ? object_list_field(l, id, NULL) : id;

		if (object_list_met(met, node))
			continue;
		line->size += heap_shallow(heap, node);
		if (!a)
			continue;
		line->retained += analysis_retained(a, node);
		if (dominator == HEAP_NONE)
			dominator = analysis_idom(a, node);
		line->overlap |= dominator != analysis_idom(a, node);
	}
}

static int object_list_sums(struct object_list *l, enum object_part part)
{
	const struct vec *lines = &l->fold[part].lines;
	uint8_t *met = calloc(l->process->heap->nodes / 8 + 1, 1);

	for (size_t i = 0; met && i < VEC_COUNT(*lines, struct fold_line); i++) {
		struct fold_line *const line = &VEC(*lines, struct fold_line)[i];

		if (line->count > 1)
			object_list_sum(l, part, line, met);
	}
	free(met);
	return met ? 0 : -ENOMEM;
}

/* Takes ids over. A namespace has names that one wants to read: see alike.h. */
static int object_list_fold(struct object_list *l, enum object_part part, uint32_t *ids,
			    size_t count, const struct progress *progress)
{
	const struct heap *heap = l->process->heap;
	const bool fields = part == OBJECT_PART_FIELDS;
	const bool named = part != OBJECT_PART_REFERRERS && alike_named(heap, l->node);
	const struct fold_by by = {
		.groups = 2 * (heap->types + 1),
		.least = named ? LEAST_NAMED : LEAST,
		.alone = named ? ALIKE_ALONE_NAMED : ALIKE_ALONE,
		.group = fields ? object_list_slot_group : object_list_node_group,
		.weight = fields ? object_list_slot_weight : object_list_node_weight,
		.arg = l,
	};
	const int err = fold_make(&l->fold[part], ids, count, &by, progress);

	return err ? err : object_list_sums(l, part);
}

/* A key whose value's label names it needs no row: those with a known value. */
static bool object_list_hidden_key(const struct heap *heap, uint32_t node, uint32_t slot)
{
	struct heap_label label;
	struct heap_value value;

	heap_label(heap, node, slot, &label);
	if (label.kind != SNAP_LABEL_KEY)
		return false;
	uint32_t key = heap_target(heap, node, slot, NULL);
	return key != HEAP_NONE && heap_is_object(heap, key) &&
		heap_value(heap, key, &value);
}

int object_list_make_fields(struct object_list *l, const struct progress *progress)
{
	const struct heap *heap = l->process->heap;
	const struct heap_span refs = heap_refs(heap, l->node);
	const uint32_t natives = object_list_natives(l);
	uint32_t *slots = malloc(((size_t)refs.count + natives + 1) * sizeof(*slots));
	size_t n = 0;
	int err = slots ? 0 : -ENOMEM;

	for (uint32_t slot = 0; slot < refs.count && !err; slot++) {
		if (refs.target[slot] != HEAP_ABSENT &&
		    !object_list_hidden_key(heap, l->node, slot))
			slots[n++] = slot;
		if (slot % PROGRESS_EVERY == 0)
			err = progress_step(progress, "reading references", slot,
					    refs.count);
	}
	if (err) {
		free(slots);
		return err;
	}
	for (uint32_t i = 0; i < natives; i++)
		slots[n++] = refs.count + i;
	if (heap_type_edge(heap, l->node) != HEAP_NONE)
		slots[n++] = HEAP_NONE;
	if (l->by_weight)
		err = rank_ids(slots, n, object_list_slot_weight, l, progress);
	const int folded = object_list_fold(l, OBJECT_PART_FIELDS, slots, n, progress);
	return err ? err : folded;
}

static int object_list_compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* A copy; NULL: no memory. */
static uint32_t *object_list_copy(struct heap_span nodes)
{
	uint32_t *ids = malloc(((size_t)nodes.count + 1) * sizeof(*ids));

	if (ids && nodes.count)
		memcpy(ids, nodes.target, nodes.count * sizeof(*ids));
	return ids;
}

static int object_list_make_referrers(struct object_list *l, struct analysis *a,
				      const struct progress *progress)
{
	struct heap_span back;
	size_t n = 0;
	int err = analysis_referrers(a, l->node, progress, &back);
	uint32_t *ids = err ? NULL : object_list_copy(back);

	if (!ids)
		return err ? err : -ENOMEM;
	qsort(ids, back.count, sizeof(*ids), object_list_compare_ids);
	for (uint32_t i = 0; i < back.count; i++)
		if (i == 0 || ids[i] != ids[n - 1])
			ids[n++] = ids[i];
	err = rank_ids(ids, n, object_list_node_weight, l, progress);
	const int folded = object_list_fold(l, OBJECT_PART_REFERRERS, ids, n, progress);
	return err ? err : folded;
}

static int object_list_make_dominated(struct object_list *l, struct analysis *a,
				      const struct progress *progress)
{
	struct heap_span below;
	const int err = analysis_children(a, l->node, progress, &below);
	uint32_t *ids = err ? NULL : object_list_copy(below);

	if (!ids)
		return err ? err : -ENOMEM;
	return object_list_fold(l, OBJECT_PART_DOMINATED, ids, below.count, progress);
}

static int object_list_make_way(struct object_list *l, const struct analysis *a)
{
	way_free(&l->way);
	return way_make(&l->way, a, l->node, MAX_PATH);
}

/* The row of a part's first entry. */
size_t object_list_part_first(const struct object_list *l, enum object_part part)
{
	size_t at = 1;

	for (int p = 0; p < (int)part; p++)
		at += object_list_part_rows(l, (enum object_part)p) + 1;
	return at;
}

int object_list_make_rest(struct object_list *l, const struct progress *progress)
{
	int err = object_list_make_way(l, l->process->analysis);

	if (!err)
		err = object_list_make_referrers(l, l->process->analysis, progress);
	if (!err)
		err = object_list_make_dominated(l, l->process->analysis, progress);
	return err;
}

size_t object_list_rows(const struct object_list *l)
{
	return object_list_part_first(l, OBJECT_PART_COUNT) - 1;
}

size_t object_list_unfolded(const struct object_list *l)
{
	size_t n = object_list_part_rows(l, OBJECT_PART_PATH) + OBJECT_PART_COUNT;

	for (int part = OBJECT_PART_FIELDS; part < OBJECT_PART_COUNT; part++)
		n += l->fold[part].count;
	return n;
}

void object_list_unfold(struct object_list *l, bool all)
{
	for (int part = OBJECT_PART_FIELDS; part < OBJECT_PART_COUNT; part++)
		fold_show_all(&l->fold[part], all);
}

size_t object_list_toggle(struct object_list *l, const struct object_place *at)
{
	const size_t row = fold_toggle(&l->fold[at->part], at->row.line->row);

	object_list_unfold(l, false);
	return object_list_part_first(l, at->part) + row;
}

void object_list_free(struct object_list *l)
{
	way_free(&l->way);
	for (int part = 0; part < OBJECT_PART_COUNT; part++)
		fold_free(&l->fold[part]);
}
