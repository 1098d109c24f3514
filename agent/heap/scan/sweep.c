/* SPDX-License-Identifier: MIT */
/*
 * sweep - emits the objects, in address order.
 *
 * Memory is read forward, which the hardware prefetches: three times as fast as
 * following references.  An object that is marked behind the sweep's place waits
 * for the next pass.  Almost everything is tracked, so marked from the start,
 * and the second pass finds little; chains of untracked containers that run
 * against the addresses are ended by depth-first passes with a stack of our own.
 */
#include "agent/heap/scan/sweep.h"

#include <errno.h>
#include <string.h>

#include "agent/heap/object/edges.h"
#include "agent/heap/object/sizes.h"
#include "agent/heap/scan/statics.h"
#include "agent/heap/core/tables.h"

enum {
	PASSES = 8, /* then depth first */
	AHEAD = 4,  /* words of 512 bytes of memory */
	PROGRESS_EVERY = 1 << 18,
	UNTRACKED_36 = -2,
};

void walk_push(struct walk *w, uint64_t addr)
{
	if (w->nstack == w->stack_capacity) {
		uint32_t capacity = w->stack_capacity ? w->stack_capacity * 2 : 4096;
		uint64_t *bigger = arena_map(w->arena, capacity * sizeof(*bigger));

		if (!bigger) {
			walk_check(w, -ENOMEM);
			return;
		}
		if (w->stack) {
			memcpy(bigger, w->stack, w->nstack * sizeof(*bigger));
			arena_unmap(w->arena, w->stack,
				    w->stack_capacity * sizeof(*bigger));
		}
		w->stack = bigger;
		w->stack_capacity = capacity;
	}
	w->stack[w->nstack++] = addr;
}

/* Type objects that are not heap types lie in a library, without a gc header. */
static bool has_gc_header(const struct walk *w, const struct walk_type *type,
			  uint64_t obj)
{
	return (type->flags & SNAP_TYPE_GC) &&
		(type->kind != SNAP_KIND_TYPE ||
		 (peek64(obj + w->lay->tp_flags) >> 9 & 1));
}

static bool is_tracked(const struct walk *w, uint64_t obj)
{
	uint64_t g = obj - w->lay->gc_head;

	if (w->lay->gc_head != 16)
		return (int64_t)peek64(g + 16) != UNTRACKED_36;
	return peek64(g) != 0;
}

static uint32_t object_flags(struct walk *w, const struct walk_type *type, uint64_t obj,
			     uint64_t *refcount)
{
	const struct layout *lay = w->lay;
	const struct walk_range *range;
	uint32_t flags = 0;

	*refcount = peek64(obj + lay->refcnt);
	if (lay->immortal_mask) {
		if ((*refcount & lay->immortal_mask) >= lay->immortal_value) {
			flags |= SNAP_OBJ_IMMORTAL;
			*refcount = 0;
		} else {
			*refcount &= lay->refcnt_mask;
		}
	}
	if (has_gc_header(w, type, obj) && is_tracked(w, obj)) {
		flags |= SNAP_OBJ_GC_TRACKED;
		if (w->frozen.count && marks_test(&w->frozen, obj))
			flags |= SNAP_OBJ_FROZEN;
	}
	range = walk_range_of(w, obj);
	if (range && range->image)
		flags |= SNAP_OBJ_STATIC;
	if (type->kind == SNAP_KIND_STR &&
	    (peek32(obj + lay->str_state) & ((1u << lay->str_intern_bits) - 1)))
		flags |= SNAP_OBJ_INTERNED;
	return flags;
}

/* What sys.getsizeof adds to __sizeof__. */
static uint32_t prefix_of(const struct walk *w, const struct walk_type *type,
			  uint64_t obj)
{
	union {
		uint64_t p;
		int (*fn)(uint64_t);
	} is_gc = { type->is_gc };

	if (!type->prefix_asks)
		return type->prefix;
	if (w->lay->size_rule == LAYOUT_PREFIX_TRACKABLE)
		return is_gc.fn(obj) ? type->prefix : 0;
	return peek64(obj + w->lay->tp_flags) >> 9 & 1 ? type->prefix : 0;
}

/* Drops references that are no objects: for what a conservative find led to. */
static void check_refs(struct walk *w, struct snap_object *event)
{
	uint32_t n = event->nrefs;

	while (w->refs_capacity < n && !w->err)
		walk_refs_grow(w);
	if (w->err)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t ref = event->refs[i];

		w->refs[i] = statics_good(w, ref) ? ref : 0;
		if (w->refs[i])
			marks_set(&w->marks, ref);
	}
	event->refs = w->refs;
}

static void send(struct walk *w, struct walk_type *type, struct snap_object *event)
{
	uint32_t edges = 0;

	if (w->checked)
		check_refs(w, event);
	for (uint32_t i = 0; i < event->nrefs; i++)
		edges += event->refs[i] != 0;
	w->stats.edges += edges;
	w->stats.objects++;
	w->stats.bytes += event->size;
	type->count++;
	type->bytes += event->size;
	WALK_SEND(w, object, event);
}

/* Where the object's own bytes lie: with its gc header, without its item arrays. */
static void note_memory(struct walk *w, const struct walk_type *type,
			const struct snap_object *event)
{
	uint64_t inside = event->size - w->outer, limit;

	if (type->size_method) { /* the C method may have counted anything */
		limit = type->basicsize + type->prefix;
		if (inside > limit)
			inside = limit;
	}
	memory_live(w, event->addr - (type->prefix_asks ? 0 : type->prefix), inside);
}

static void emit(struct walk *w, uint64_t obj, uint32_t shape)
{
	struct walk_type *type = walk_type_fast(w, peek64(obj + w->lay->type));
	struct snap_object event = { .addr = obj, .type = type->id };
	uint32_t own;

	w->nrefs = 0;
	w->refs_direct = NULL;
	w->outer = 0;
	if (w->checked)
		w->marking_off = true;
	own = type->edges(w, type, obj);
	w->marking_off = false;
	event.shape = shape ? shape : own;
	event.nrefs = w->nrefs;
	event.refs = w->refs_direct ? w->refs_direct : w->refs;
	event.size = type->size(w, type, obj) + prefix_of(w, type, obj);
	event.flags = object_flags(w, type, obj, &event.refcount);
	if (type->size_approx)
		event.flags |= SNAP_OBJ_SIZE_APPROX;
	if (type->opaque)
		event.flags |= SNAP_OBJ_OPAQUE;
	send(w, type, &event);
	note_memory(w, type, &event);
	if (type->values)
		type->values(w, type, obj);
	if (type->native)
		type->native(w, type, obj);
	sizecheck_sample(w, type, obj, event.size);
	if (type->kind == SNAP_KIND_FUNCTION)
		closures_emit(w, obj);
}

void sweep_emit_shaped(struct walk *w, uint64_t obj, uint32_t shape)
{
	emit(w, obj, shape);
}

static void send_progress(struct walk *w)
{
	struct snap_progress event = { .phase = walk_cstring(w, walk_position.phase),
				       .objects = w->stats.objects,
				       .edges = w->stats.edges,
				       .done = w->stats.objects };

	walk_position.objects = w->stats.objects;
	walk_position.edges = w->stats.edges;
	WALK_SEND(w, progress, &event);
}

/* Is this a closure tuple that waits for its function? */
static bool put_off(const struct walk *w, uint64_t obj)
{
	return !w->closures_last &&
		peek64(obj + w->lay->type) == CPYTHON_ADDR(w->py, tuple_type) &&
		closures_looks_like(w, obj);
}

/* The objects of one word of the bitmap; bits may be added while it goes on. */
static void sweep_word(struct walk *w, struct marks_leaf *leaf, uint32_t word,
		       uint64_t base)
{
	uint64_t skipped = 0, todo;

	while ((todo = leaf->mark[word] & ~leaf->done[word] & ~skipped) && !w->err) {
		unsigned bit = (unsigned)__builtin_ctzll(todo);
		uint64_t obj = base + word * 512ULL + bit * 8;

		if (put_off(w, obj)) {
			skipped |= 1ULL << bit;
			marks_pend(leaf, word);
			continue;
		}
		leaf->done[word] |= 1ULL << bit;
		emit(w, obj, 0);
	}
}

/* A byte of the bitmap is a cache line of objects: fetches those of one word. */
static inline void prefetch_word(uint64_t todo, uint64_t at)
{
	for (; todo; todo >>= 8, at += 64)
		if (todo & 0xff)
			__builtin_prefetch((const void *)(uintptr_t)at);
}

static void sweep_part(struct walk *w, struct marks_leaf *leaf, uint32_t part,
		       uint64_t base)
{
	uint32_t word = part * MARKS_PART_WORDS, end = word + MARKS_PART_WORDS;

	for (; word < end && !w->err; word++) {
		uint32_t ahead = word + AHEAD;

		if (ahead < end)
			prefetch_word(leaf->mark[ahead] & ~leaf->done[ahead],
				      base + ahead * 512ULL);
		if (leaf->mark[word] & ~leaf->done[word])
			sweep_word(w, leaf, word, base);
	}
}

/* Parts of a leaf in order; one that gets marks while another is swept counts too. */
static void sweep_leaf(struct walk *w, struct marks_leaf *leaf, uint64_t base)
{
	for (uint32_t part = 0; part < MARKS_PARTS && !w->err; part++) {
		if (!(leaf->pending[part / 64] >> (part % 64) & 1))
			continue;
		leaf->pending[part / 64] &= ~(1ULL << (part % 64));
		sweep_part(w, leaf, part, base);
		if (w->stats.objects - w->reported < PROGRESS_EVERY)
			continue;
		w->reported = w->stats.objects;
		send_progress(w);
	}
}

static uint64_t sweep_pass(struct walk *w)
{
	uint64_t before = w->stats.objects;

	for (uint32_t i = 0; i < w->marks.count && !w->err; i++) {
		uint32_t index = w->marks.order[i];

		sweep_leaf(w, w->marks.directory[index],
			   (uint64_t)index << MARKS_LEAF_SHIFT);
	}
	w->stats.sweeps++;
	return w->stats.objects - before;
}

/* Each object found leads on to what it marked newly, whatever the addresses. */
static void drain(struct walk *w)
{
	while (w->nstack && !w->err) {
		uint64_t obj = w->stack[--w->nstack];

		if (put_off(w, obj) || !marks_set_done(&w->marks, obj))
			continue;
		emit(w, obj, 0);
	}
}

static void sweep_all(struct walk *w)
{
	for (int pass = 0; !w->err; pass++) {
		w->depth_first = pass >= PASSES;
		if (!sweep_pass(w) && !w->nstack)
			break;
		drain(w);
	}
	w->depth_first = false;
}

void sweep_run(struct walk *w)
{
	w->closures_last = false;
	sweep_all(w);
	w->closures_last = true;
	sweep_all(w);
	send_progress(w);
}
