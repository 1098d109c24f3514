/* SPDX-License-Identifier: MIT */
/* check - whether arrays from a file can be used without going astray (check.h). */
#include "viewer/model/check.h"

#include "viewer/model/absent.h"
#include "viewer/model/line.h"
#include "viewer/model/site.h"

/* All entries < limit, those >= special allowed. Branch-free inside, so it streams. */
static bool check_ids_below(const struct vec *vec, uint32_t limit, uint32_t special)
{
	const uint32_t *id = vec->data;
	size_t count = VEC_COUNT(*vec, uint32_t);
	unsigned bad = 0;

	for (size_t i = 0; i < count; i++)
		bad |= (unsigned)(id[i] >= limit) & (unsigned)(id[i] < special);
	return !bad;
}

static bool check_counts(const struct vec *vec, size_t element, uint64_t wanted)
{
	return vec->size == wanted * element;
}

static bool check_rows(const struct heap *heap)
{
	uint64_t before = 0;

	if (!check_counts(&heap->row, 4, (uint64_t)heap->objects + 1) ||
	    !check_counts(&heap->row_base, 8, ((uint64_t)heap->objects >> 16) + 1))
		return false;
	for (uint32_t o = 0; o <= heap->objects; o++) {
		uint64_t row = heap_row(heap, o);

		if (row < before || row - before > UINT32_MAX || row > heap->slots)
			return false;
		before = row;
	}
	return before == heap->slots && check_counts(&heap->target, 4, heap->slots);
}

static bool check_classes(const struct heap *heap)
{
	const struct heap_class *klass = heap->classes.data;
	const struct heap_shape *shape = heap->shape.data;
	size_t classes = VEC_COUNT(heap->classes, struct heap_class);
	size_t labels = VEC_COUNT(heap->label, struct snap_label);

	if (!check_counts(&heap->type, sizeof(struct heap_type),
			  (uint64_t)heap->types + 1) ||
	    !check_counts(&heap->shape, sizeof(struct heap_shape),
			  (uint64_t)heap->shapes + 1))
		return false;
	for (size_t i = 0; i < classes; i++)
		if (klass[i].type > heap->types || klass[i].shape > heap->shapes)
			return false;
	for (uint32_t i = 0; i <= heap->shapes; i++)
		if (shape[i].first > labels || shape[i].nfixed > labels - shape[i].first)
			return false;
	for (uint32_t t = 0; t <= heap->types; t++) {
		const struct heap_type *type = heap_type(heap, t);

		if ((type->node >= heap->objects && type->node != HEAP_NONE && t) ||
		    type->kind >= SNAP_KIND_COUNT || type->namesake > t)
			return false;
	}
	return check_ids_below(&heap->klass, (uint32_t)classes, UINT32_MAX);
}

static bool check_synth(const struct heap *heap)
{
	const struct heap_synth *s = heap->synth.data;
	uint64_t nodes = (uint64_t)heap->objects + HEAP_SYNTH_GROUP_COUNT +
		heap->threads + heap->frames +
		VEC_COUNT(heap->native, struct heap_native);
	size_t edges = VEC_COUNT(heap->synth_target, uint32_t);

	if (nodes != heap->nodes || nodes > HEAP_MAX_NODES ||
	    !check_counts(&heap->synth, sizeof(*s), nodes - heap->objects) ||
	    !check_counts(&heap->synth_label, sizeof(struct heap_synth_label), edges) ||
	    !check_counts(&heap->thread, sizeof(struct snap_thread),
			  (uint64_t)heap->threads + 1) ||
	    !check_counts(&heap->frame, sizeof(struct snap_frame),
			  (uint64_t)heap->frames + 1))
		return false;
	for (uint32_t i = 0; i < nodes - heap->objects; i++) {
		uint32_t refs = s[i].kind == HEAP_SYNTH_THREAD ? heap->threads :
			s[i].kind == HEAP_SYNTH_FRAME	       ? heap->frames :
								 UINT32_MAX;

		if (s[i].first > edges || s[i].count > edges - s[i].first ||
		    s[i].ref > refs || s[i].kind > HEAP_SYNTH_NATIVE ||
		    (s[i].kind == HEAP_SYNTH_NATIVE) !=
			    (heap->objects + i >= heap_native_base(heap)) ||
		    (i < HEAP_SYNTH_GROUP_COUNT && s[i].kind != i))
			return false;
	}
	return check_ids_below(&heap->synth_target, heap->nodes, UINT32_MAX);
}

static bool check_native(const struct heap *heap)
{
	const struct heap_native *native = heap->native.data;
	const uint64_t *edge = heap->native_edge.data;
	size_t count = VEC_COUNT(heap->native, struct heap_native);

	for (size_t i = 0; i < count; i++)
		if (native[i].owner >= heap->objects && native[i].owner != HEAP_NONE)
			return false;
	for (size_t i = 0; i < VEC_COUNT(heap->native_edge, uint64_t); i++)
		if (edge[i] >> 32 >= heap->objects || (uint32_t)edge[i] >= count ||
		    (i && edge[i] < edge[i - 1]))
			return false;
	return true;
}

static bool check_addrs(const struct heap *heap)
{
	const struct addrmap *map = &heap->addrs;
	size_t chunks = VEC_COUNT(map->chunks, struct addrmap_chunk);
	size_t slots = VEC_COUNT(map->hash, uint32_t), used = 0;

	if (!heap->objects)
		return true;
	if (!chunks ||
	    !check_counts(&map->lines, sizeof(struct addrmap_line),
			  (uint64_t)chunks * ADDRMAP_LINES) ||
	    !check_counts(&map->order, 4, chunks - 1) || !slots || slots & (slots - 1))
		return false;
	for (size_t i = 0; i < slots; i++)
		used += VEC(map->hash, uint32_t)[i] != 0;
	return used < slots &&
		check_ids_below(&map->hash, (uint32_t)chunks, UINT32_MAX) &&
		check_ids_below(&map->order, (uint32_t)chunks, UINT32_MAX);
}

static bool check_terminated(const struct vec *text)
{
	return !text->size || VEC(*text, const char)[text->size - 1] == '\0';
}

bool check_heap(const struct heap *heap)
{
	return heap->objects <= HEAP_MAX_NODES &&
		check_counts(&heap->klass, 4, heap->objects) &&
		check_counts(&heap->size16, 2, heap->objects) &&
		check_counts(&heap->refcount8, 1, heap->objects) &&
		check_counts(&heap->string, 4, (uint64_t)heap->strings + 2) &&
		check_counts(&heap->weak_target, 4,
			     VEC_COUNT(heap->weak_slot, uint64_t)) &&
		check_counts(&heap->surplus_by, 8,
			     VEC_COUNT(heap->surplus_id, uint32_t)) &&
		check_terminated(&heap->text) && check_terminated(&heap->fact_text) &&
		check_rows(heap) && check_classes(heap) && check_synth(heap) &&
		check_addrs(heap) && check_native(heap) && site_check(heap) &&
		line_check(heap) && absent_check(heap) &&
		check_ids_below(&heap->target, heap->objects, HEAP_WEAK) &&
		check_ids_below(&heap->weak_target, heap->objects, UINT32_MAX) &&
		check_ids_below(&heap->surplus_id, heap->objects, UINT32_MAX);
}

bool check_analysis(const struct analysis *a)
{
	const struct heap *heap = a->heap;

	return check_counts(&a->bfs_parent, 4, heap->nodes) &&
		check_counts(&a->idom, 4, heap->nodes) &&
		check_counts(&a->retained, 8, heap->nodes) &&
		check_counts(&a->retained_count, 4, heap->nodes) &&
		check_counts(&a->type, sizeof(struct analysis_type),
			     (uint64_t)heap->types + 1) &&
		check_ids_below(&a->bfs_parent, heap->nodes, HEAP_NONE) &&
		check_ids_below(&a->idom, heap->nodes, HEAP_NONE);
}
