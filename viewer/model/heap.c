/* SPDX-License-Identifier: MIT */
/*
 * heap - access to the model's arrays (heap.h).
 *
 * Arrays may come from a sidecar file, so lookups by an id that was read from
 * them check it against the table's length where a wrong one could go astray.
 */
#include "viewer/model/heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "viewer/model/arrays.h"

struct heap *heap_create(void)
{
	static _Atomic uint64_t serial;
	struct heap *const heap = calloc(1, sizeof(*heap));

	if (heap)
		heap->serial = ++serial;
	return heap;
}

void heap_destroy(struct heap *heap)
{
	if (!heap)
		return;
	for (size_t i = 0; i < heap_array_count; i++)
		vec_free(heap_array(heap, i));
	slots_free(&heap->slot);
	if (heap->file)
		munmap(heap->file, heap->file_size);
	free(heap);
}

/* ---- big values ---- */

/* NULL: a damaged sidecar. */
static struct heap_big *heap_big_entry(const struct vec *big, uint32_t id)
{
	struct heap_big *table = VEC(*big, struct heap_big);
	size_t lo = 0, hi = VEC_COUNT(*big, struct heap_big);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (table[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < VEC_COUNT(*big, struct heap_big) && table[lo].id == id ? &table[lo] :
									     NULL;
}

static uint64_t heap_big_find(const struct vec *big, uint32_t id)
{
	const struct heap_big *entry = heap_big_entry(big, id);

	return entry ? entry->value : 0;
}

void heap_shrink(struct heap *heap, uint32_t object, uint64_t by)
{
	const uint64_t left = heap_size(heap, object) - by;
	uint16_t *small = &VEC(heap->size16, uint16_t)[object];
	struct heap_big *big = heap_big_entry(&heap->size_big, object);

	assert(by <= heap_size(heap, object) && (big || *small != UINT16_MAX));
	if (left < UINT16_MAX)
		*small = (uint16_t)left;
	else
		big->value = left;
	VEC(heap->type, struct heap_type)[heap_type_of(heap, object)].size -= by;
	heap->size -= by;
}

uint64_t heap_size_slow(const struct heap *heap, uint32_t object)
{
	assert(object < heap->objects);
	return heap_big_find(&heap->size_big, object);
}

uint64_t heap_refcount_slow(const struct heap *heap, uint32_t object)
{
	assert(object < heap->objects);
	return heap_big_find(&heap->refcount_big, object);
}

int64_t heap_surplus(const struct heap *heap, uint32_t object)
{
	const uint32_t *ids = VEC(heap->surplus_id, uint32_t);
	size_t lo = 0, count = VEC_COUNT(heap->surplus_id, uint32_t), hi = count;

	assert(object < heap->objects);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ids[mid] < object)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < count && ids[lo] == object ? VEC(heap->surplus_by, int64_t)[lo] : 0;
}

uint64_t heap_address(const struct heap *heap, uint32_t node)
{
	return node < heap->objects ? addrmap_address(&heap->addrs, node) : 0;
}

uint32_t heap_find(const struct heap *heap, uint64_t address)
{
	return addrmap_find(&heap->addrs, address);
}

/* ---- edges ---- */

static uint32_t heap_weak_find(const struct heap *heap, uint64_t slot)
{
	const uint64_t *slots = VEC(heap->weak_slot, uint64_t);
	size_t lo = 0, count = VEC_COUNT(heap->weak_slot, uint64_t), hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slots[mid] < slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < count && slots[lo] == slot ? VEC(heap->weak_target, uint32_t)[lo] :
						 HEAP_NONE;
}

uint32_t heap_target(const struct heap *heap, uint32_t node, uint32_t slot,
		     bool *weak_ret)
{
	struct heap_span refs = heap_refs(heap, node);
	uint32_t to = slot < refs.count ? refs.target[slot] : HEAP_NONE;
	bool weak = to == HEAP_WEAK && node < heap->objects;

	assert(node < heap->nodes);
	if (weak)
		to = heap_weak_find(heap, heap_row(heap, node) + slot);
	if (weak_ret)
		*weak_ret = weak;
	return to < heap->nodes ? to : HEAP_NONE;
}

static void heap_tail_label(const struct heap *heap, uint32_t node, uint32_t slot,
			    uint32_t i, unsigned tail, struct heap_label *ret)
{
	switch (tail) {
	case SNAP_TAIL_INDEX:
		ret->kind = SNAP_LABEL_INDEX;
		ret->index = i;
		break;
	case SNAP_TAIL_PAIRS:
		ret->kind = i & 1 ? SNAP_LABEL_VALUE : SNAP_LABEL_KEY;
		if (i & 1)
			ret->key = heap_target(heap, node, slot - 1, NULL);
		break;
	case SNAP_TAIL_ELEMENT:
		ret->kind = SNAP_LABEL_ELEMENT;
		break;
	case SNAP_TAIL_WEAK:
		ret->kind = SNAP_LABEL_WEAK;
		break;
	case SNAP_TAIL_STACK:
		ret->kind = SNAP_LABEL_STACK;
		break;
	default:
		ret->kind = SNAP_LABEL_OTHER;
	}
}

static void heap_label_of_synth(const struct heap *heap, uint32_t node, uint32_t slot,
				struct heap_label *ret)
{
	const struct heap_synth *s = heap_synth(heap, node);

	if (slot < s->count) {
		const struct heap_synth_label *label =
			&VEC(heap->synth_label, struct heap_synth_label)[s->first + slot];

		ret->root_kind = label->kind;
		ret->flags = label->flags;
		ret->name = label->name;
	}
}

static int heap_compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Whether an entry of heap->target is a reference that was found (held.h). */
static bool heap_slot_held(const struct heap *heap, uint64_t slot)
{
	return heap->held_slot.size &&
		bsearch(&slot, heap->held_slot.data, VEC_COUNT(heap->held_slot, uint64_t),
			sizeof(slot), heap_compare_u64);
}

void heap_label(const struct heap *heap, uint32_t node, uint32_t slot,
		struct heap_label *ret)
{
	assert(node < heap->nodes);
	*ret = (struct heap_label){ .key = HEAP_NONE };
	if (node >= heap->objects) {
		heap_label_of_synth(heap, node, slot, ret);
		return;
	}
	if (slot == HEAP_NONE) {
		ret->kind = SNAP_LABEL_TYPE;
		return;
	}
	if (heap_slot_held(heap, heap_row(heap, node) + slot)) {
		ret->inferred = true;
		return;
	}
	uint32_t shape_id = heap_class_of(heap, node)->shape;
	const struct heap_shape *shape = &VEC(heap->shape, struct heap_shape)[shape_id];
	if (slot >= shape->nfixed) {
		heap_tail_label(heap, node, slot, slot - shape->nfixed, shape->tail, ret);
		return;
	}
	const struct snap_label *label =
		&VEC(heap->label, struct snap_label)[shape->first + slot];
	ret->kind = label->kind;
	ret->name = label->name;
	if (label->kind == SNAP_LABEL_VALUE && slot && !label->name)
		ret->key = heap_target(heap, node, slot - 1, NULL);
	if (label->kind == SNAP_LABEL_INDEX)
		ret->index = slot;
}

/* Of a weak reference's slots, the first from `slot` on that leads there. */
static uint32_t heap_weak_slot(const struct heap *heap, uint32_t from, uint32_t slot,
			       uint32_t to)
{
	const struct heap_span refs = heap_refs(heap, from);

	if (from >= heap->objects || !heap_class_of(heap, from)->weak)
		return HEAP_NONE;
	for (uint32_t i = slot; i < refs.count; i++)
		if (refs.target[i] == HEAP_WEAK && heap_target(heap, from, i, NULL) == to)
			return i;
	return HEAP_NONE;
}

/* The first strong reference from `slot` on. */
static uint32_t heap_strong_slot(const struct heap *heap, uint32_t from, uint32_t slot,
				 uint32_t to)
{
	const struct heap_span refs = heap_refs(heap, from);
	struct heap *const own = (struct heap *)(uintptr_t)heap; /* for what it keeps */
	uint32_t found;

	if (refs.count >= SLOTS_LARGE &&
	    slots_find(&own->slot, from, refs.target, refs.count, slot, to, &found))
		return found;
	for (uint32_t i = slot; i < refs.count; i++)
		if (refs.target[i] == to)
			return i;
	return HEAP_NONE;
}

uint32_t heap_slot(const struct heap *heap, uint32_t from, uint32_t to)
{
	assert(from < heap->nodes);
	const uint32_t strong = heap_strong_slot(heap, from, 0, to);

	return strong != HEAP_NONE ? strong : heap_weak_slot(heap, from, 0, to);
}

uint32_t heap_slot_after(const struct heap *heap, uint32_t from, uint32_t slot,
			 uint32_t to)
{
	assert(from < heap->nodes && slot < heap_refs(heap, from).count);
	const uint32_t strong = heap_strong_slot(heap, from, slot, to),
		       weak = heap_weak_slot(heap, from, slot, to);

	return strong < weak ? strong : weak; /* HEAP_NONE is the largest */
}

/* ---- text ---- */

const char *heap_string(const struct heap *heap, uint32_t id, size_t *size_ret)
{
	const uint32_t *at = VEC(heap->string, uint32_t);

	if (size_ret)
		*size_ret = 0;
	if (!id || (size_t)id + 1 >= VEC_COUNT(heap->string, uint32_t))
		return "";
	if (at[id] >= at[id + 1] || at[id + 1] > heap->text.size)
		return "";
	if (size_ret)
		*size_ret = at[id + 1] - at[id] - 1;
	return VEC(heap->text, const char) + at[id];
}

const char *heap_type_name(const struct heap *heap, uint32_t type)
{
	if (!type || type > heap->types)
		return "";
	return heap_string(heap, heap_type(heap, type)->name, NULL);
}

uint32_t heap_type_find(const struct heap *heap, const char *name)
{
	uint32_t whole = 0, with[2] = { 0, 0 }, found[2] = { 0, 0 };

	for (uint32_t t = 1; t <= heap->types; t++) {
		const char *own = heap_type_name(heap, t), *dot = strrchr(own, '.');
		const uint64_t count = heap_type(heap, t)->count;

		if (!strcmp(own, name) &&
		    (!whole || count > heap_type(heap, whole)->count))
			whole = t;
		if (!dot || strcmp(dot + 1, name) != 0)
			continue;
		/* a class made again and again is one name */
		uint32_t *const same = &found[count > 0];
		if (!*same || strcmp(heap_type_name(heap, *same), own) != 0)
			with[count > 0]++;
		if (!*same || count > heap_type(heap, *same)->count)
			*same = t;
	}
	if (whole)
		return whole;
	if (with[1])
		return with[1] == 1 ? found[1] : 0;
	return with[0] == 1 ? found[0] : 0;
}

/* ---- facts ---- */

static const struct heap_fact *heap_fact_find(const struct heap *heap, const char *key)
{
	const struct heap_fact *facts = VEC(heap->fact, struct heap_fact);

	for (size_t i = VEC_COUNT(heap->fact, struct heap_fact); i-- > 0;)
		if (facts[i].key < heap->fact_text.size &&
		    !strcmp(VEC(heap->fact_text, const char) + facts[i].key, key))
			return &facts[i];
	return NULL;
}

uint64_t heap_fact_u64(const struct heap *heap, const char *key, uint64_t otherwise)
{
	const struct heap_fact *fact = heap_fact_find(heap, key);

	return fact && fact->kind == SNAP_FACT_U64 ? fact->u64 : otherwise;
}

const char *heap_fact_text(const struct heap *heap, const char *key, size_t *size_ret)
{
	const struct heap_fact *fact = heap_fact_find(heap, key);

	if (!fact || fact->kind != SNAP_FACT_TEXT ||
	    (uint64_t)fact->text + fact->size >= heap->fact_text.size)
		return NULL;
	if (size_ret)
		*size_ret = fact->size;
	return VEC(heap->fact_text, const char) + fact->text;
}

uint64_t heap_rss(const struct heap *heap)
{
	uint64_t rss = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->map, struct snap_map); i++)
		rss += VEC(heap->map, struct snap_map)[i].rss;
	return rss ? rss : heap_fact_u64(heap, "rss", 0);
}

/* ---- synthetic nodes ---- */

const char *heap_group_name(enum heap_synth_kind group)
{
	static const char *const names[HEAP_SYNTH_GROUP_COUNT] = {
		[HEAP_SYNTH_ROOT] = "(root)",
		[HEAP_SYNTH_MODULES] = "(modules)",
		[HEAP_SYNTH_THREADS] = "(threads)",
		[HEAP_SYNTH_INTERPRETER] = "(interpreter)",
		[HEAP_SYNTH_ATEXIT] = "(atexit)",
		[HEAP_SYNTH_STATIC_TYPES] = "(static types)",
		[HEAP_SYNTH_C_STATIC] = "(C statics)",
		[HEAP_SYNTH_OTHER] = "(other roots)",
		[HEAP_SYNTH_INTERNED] = "(interned strings)",
		[HEAP_SYNTH_IMMORTAL] = "(immortal)",
		[HEAP_SYNTH_UNKNOWN] = "(C code we can't see into)",
		[HEAP_SYNTH_GARBAGE] = "(unreachable garbage)",
	};

	return group < HEAP_SYNTH_GROUP_COUNT ? names[group] : "";
}

int heap_adopt(struct heap *heap, enum heap_synth_kind group, const uint32_t *ids,
	       uint32_t count)
{
	struct heap_synth *s = VEC(heap->synth, struct heap_synth) + group;
	uint32_t first = (uint32_t)VEC_COUNT(heap->synth_target, uint32_t);

	assert(group < HEAP_SYNTH_GROUP_COUNT);
	if (vec_append(&heap->synth_target, ids, (size_t)count * sizeof(uint32_t)))
		return -ENOMEM;
	if (vec_append(&heap->synth_label, NULL,
		       (size_t)count * sizeof(struct heap_synth_label))) {
		heap->synth_target.size = (size_t)first * sizeof(uint32_t);
		return -ENOMEM;
	}
	s->first = first;
	s->count = count;
	slots_free(&heap->slot);
	return 0;
}

bool heap_in_line(const struct heap *heap, uint32_t object)
{
	switch (heap_kind(heap, object)) {
	case SNAP_KIND_STR:
	case SNAP_KIND_BYTES:
	case SNAP_KIND_INT:
	case SNAP_KIND_TUPLE:
		return true;
	default:
		return false;
	}
}
