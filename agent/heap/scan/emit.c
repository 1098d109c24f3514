/* SPDX-License-Identifier: MIT */
/*
 * emit - see emit.h.
 *
 * This is done for each of millions of objects: what is the same for all instances of a
 * type, or for all objects of a page, is worked out once (emit_plan, emit_enter).
 */
#include "agent/heap/scan/emit.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/queue.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/object/size_plan.h"
#include "agent/heap/object/sizes.h"
#include "agent/heap/object/values.h"
#include "agent/heap/scan/sizecheck.h"
#include "agent/python/type.h"

enum {
	/* gc_refs of what is on no list, in 3.6 and 3.7; above a bit for the finalizer
	 * (Include/objimpl.h, _PyGC_REFS_SHIFT) */
	EMIT_UNTRACKED = -2,
	EMIT_PAGE = 1 << MEMORY_GRAIN_SHIFT,
};

/* What is so of all instances of a type: then the code that writes them need not ask.
 * Each of the last three is of an interpreter with a GIL. */
enum emit_how {
	EMIT_FIXED = 1,	 /* their size is type->fixed_size */
	EMIT_HEADER = 2, /* 16 bytes of the collector's before them */
	EMIT_STR = 4,	 /* no such header; may be interned */
	EMIT_BARE = 8,	 /* neither */
	EMIT_KNOWN = EMIT_HEADER | EMIT_STR | EMIT_BARE,
	/* a formula of sizes.h tells it, a prefix that doesn't ask, and no memory
	 * outside that is not in it */
	EMIT_QUICK = 16,
	EMIT_INSIDE = 32, /* ... and all of it lies in the object */
	EMIT_VALUED = 64, /* each has a value */
	EMIT_NUMBER = EMIT_BARE | EMIT_QUICK | EMIT_VALUED,
};

/* In the middle of what is done for each object: a call would cost more than it does. */
#define EMIT_INLINE static inline __attribute__((always_inline))

/* ---- parts of the event ---- */

/* Type objects that are not heap types lie in a library, without a gc header. */
EMIT_INLINE bool emit_has_gc_header(const struct walk *w, const struct walk_type *type,
				    uint64_t obj)
{
	return (type->traits & WALK_TRAIT_HEADER) ||
		((type->traits & WALK_TRAIT_TYPE) && type_is_heap(w->lay, obj));
}

EMIT_INLINE bool emit_is_tracked(const struct walk *w, uint64_t obj)
{
	uint64_t g = obj - w->lay->gc_head;

	if (__builtin_expect(w->lay->free_threaded, 0))
		return object_gc_bits(w->lay, obj) & OBJECT_GC_TRACKED;
	if (w->lay->gc_head != 16)
		return (int64_t)peek64(g + 16) >> 1 != EMIT_UNTRACKED;
	return peek64(g) != 0;
}

/* The object's memory isn't all in the page that the sweep was in: enters its first. */
static __attribute__((noinline)) void emit_enter(struct walk *w, uint64_t addr,
						 uint64_t size)
{
	const struct walk_range *r = ranges_of(w, addr);

	w->here.from = addr & ~(EMIT_PAGE - 1ULL);
	w->here.to = w->here.from + EMIT_PAGE;
	w->here.flags = r && r->image ? SNAP_OBJ_STATIC : 0;
	w->here.live = memory_live_in(w, addr, size);
	if (!w->here.live)
		w->here.live = w->here.nowhere;
}

/* Notes where the object's own bytes lie: with its gc header, without its item arrays. */
EMIT_INLINE void emit_note_memory(struct walk *w, const struct walk_type *type,
				  uint64_t obj, uint64_t size, unsigned how)
{
	const uint64_t start = obj - type->lead;
	uint64_t inside = how & (EMIT_FIXED | EMIT_INSIDE) ? size : size - w->outer;

	if (!(how & (EMIT_FIXED | EMIT_QUICK)) && inside > type->inside_max)
		inside = type->inside_max;
	if (__builtin_expect(start < w->here.from || start + inside > w->here.to, 0))
		emit_enter(w, start, inside);
	w->here.live[inside <= MEMORY_SMALL] += inside;
}

/* Flags of a tracked object. */
EMIT_INLINE uint32_t emit_tracked(const struct walk *w, uint64_t obj)
{
	return w->frozen.count && marks_test(&w->frozen, obj) ?
		SNAP_OBJ_GC_TRACKED | SNAP_OBJ_FROZEN :
		SNAP_OBJ_GC_TRACKED;
}

/* What the collector and the table of interned strings say of it. */
EMIT_INLINE uint32_t emit_marks(const struct walk *w, const struct walk_type *type,
				uint64_t obj, unsigned how)
{
	if (how & EMIT_HEADER)
		return peek64(obj - 16) ? emit_tracked(w, obj) : 0;
	if (!(how & EMIT_KNOWN) && emit_has_gc_header(w, type, obj))
		return emit_is_tracked(w, obj) ? emit_tracked(w, obj) : 0;
	if (!(how & EMIT_BARE) && (how & EMIT_STR || type->traits & WALK_TRAIT_STR) &&
	    peek32(obj + w->lay->str_state) & w->str_interned)
		return SNAP_OBJ_INTERNED;
	return 0;
}

/* Reference count and flags; after emit_note_memory. */
EMIT_INLINE void emit_set_flags(struct walk *w, const struct walk_type *type,
				uint64_t obj, struct snap_object *event, unsigned how)
{
	uint32_t flags = type->object_flags | w->here.flags;
	uint64_t refcount;
	const enum object_count kind = how & EMIT_KNOWN ?
		object_count_word(w->lay, peek64(obj), &refcount) :
		object_count(w->lay, obj, &refcount);

	if (__builtin_expect(kind != OBJECT_COUNTED, 0)) {
		flags |= kind == OBJECT_DEFERRED ? SNAP_OBJ_IMMORTAL | SNAP_OBJ_DEFERRED :
						   SNAP_OBJ_IMMORTAL;
		refcount = 0;
	}
	event->refcount = refcount;
	event->flags = flags | emit_marks(w, type, obj, how);
}

/* Of an address that isn't marked: 1, or 0 where none can be.  Notes that it is. */
static __attribute__((noinline)) uint32_t emit_first_mark(struct walk *w, uint64_t addr)
{
	if (marks_in_range(addr))
		queue_add(w, addr);
	return addr != 0;
}

/* Queues what an object refers to; returns how many references aren't absent. */
EMIT_INLINE uint32_t emit_queue_refs(struct walk *w, const uint64_t *ref, uint32_t n)
{
	struct marks_leaf **const directory = w->marks.directory;
	const uint64_t *const end = ref + n;

	for (; ref < end; ref++) {
		const uint64_t place = marks_place(*ref);
		const uint64_t index = place >> (MARKS_LEAF_SHIFT - 3);
		const uint64_t at = place >> 6 & (MARKS_LEAF_WORDS - 1);
		struct marks_leaf *leaf;
		uint64_t word;

		if (__builtin_expect(index >= MARKS_DIRECTORY, 0) ||
		    __builtin_expect(!(leaf = directory[index]), 0)) {
			if (!place)
				n--;
			else
				emit_first_mark(w, *ref);
			continue;
		}
		word = leaf->mark[at];
		if (__builtin_expect(word >> (place & 63) & 1, 1))
			continue;
		if (__builtin_expect(*ref < MARKS_LOWEST || w->depth_first, 0)) {
			n -= !emit_first_mark(w, *ref);
			continue;
		}
		leaf->mark[at] = word | 1ULL << (place & 63);
		marks_pend(leaf, (uint32_t)at);
	}
	return n;
}

/* The same for what a conservative find led to: references that are no objects are
 * dropped. */
static uint32_t emit_check_refs(struct walk *w, struct snap_object *event)
{
	uint32_t n = event->nrefs, edges = 0;

	while (w->refs_capacity < n && !w->err)
		references_make_room(w);
	if (w->err)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t ref = event->refs[i];

		w->refs[i] = sound_to_follow(w, ref) ? ref : 0;
		if (!w->refs[i])
			continue;
		edges++;
		marks_set(&w->marks, ref);
	}
	event->refs = w->refs;
	return edges;
}

/* ---- an object ---- */

bool emit_tracks(const struct walk *w, const struct walk_type *type, uint64_t obj)
{
	return emit_has_gc_header(w, type, obj) && emit_is_tracked(w, obj);
}

void emit_alone(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct snap_object *const event = &w->event;

	w->outer = 0;
	*event = (struct snap_object){
		.addr = obj, .type = type->id, .size = type->fixed_size, .refs = w->refs
	};
	if (!event->size)
		event->size = type->size(w, type, obj) + size_plan_prefix(w, type, obj);
	emit_set_flags(w, type, obj, event, 0);
	w->stats.objects++;
	w->stats.bytes += event->size;
	EVENTS_SEND(w, object, event);
}

EMIT_INLINE uint64_t emit_size(struct walk *w, struct walk_type *type, uint64_t obj,
			       unsigned how, walk_size_fn *formula)
{
	uint64_t size;

	if (how & EMIT_FIXED)
		return type->fixed_size;
	if (!(how & EMIT_INSIDE))
		w->outer = 0;
	if (how & EMIT_QUICK) {
		size = formula(w, type, obj);
		return how & EMIT_HEADER ? size + type->prefix : size;
	}
	if (!(how & EMIT_KNOWN) && type->fixed_size)
		return type->fixed_size;
	size = type->size(w, type, obj);
	return size + (type->prefix_asks ? size_plan_prefix(w, type, obj) : type->prefix);
}

/* All but the references: the rest of the event, and what else there is to do. */
EMIT_INLINE void emit_finish(struct walk *w, struct walk_type *type, uint64_t obj,
			     struct snap_object *event, unsigned how,
			     walk_size_fn *formula, walk_object_fn *values)
{
	const uint64_t size = emit_size(w, type, obj, how, formula);

	event->type = type->id;
	event->size = size;
	emit_note_memory(w, type, obj, size, how);
	emit_set_flags(w, type, obj, event, how);
	w->stats.objects++;
	w->stats.bytes += size;
	if (!(how & EMIT_QUICK))
		values = type->values;
	if (values) {
		w->held = event;
		values(w, type, obj);
		if (!(how & EMIT_VALUED) && w->held)
			events_whole(w, event, NULL);
		w->held = NULL;
	} else {
		events_whole(w, event, NULL);
	}
	if (!(how & EMIT_QUICK) && __builtin_expect(type->native != NULL, 0))
		type->native(w, type, obj);
	if (__builtin_expect(--w->sample_skip < 0, 0))
		sizecheck_take(w, type, obj, size);
}

EMIT_INLINE void emit_branch(struct walk *w, struct walk_type *type, uint64_t obj,
			     uint32_t shape, unsigned how, walk_edges_fn *edges,
			     walk_size_fn *formula)
{
	struct snap_object *const event = &w->event;
	uint32_t own;

	event->addr = obj;
	w->nrefs = 0;
	w->refs_direct = NULL;
	own = edges(w, type, obj);
	event->shape = shape ? shape : own;
	event->nrefs = w->nrefs;
	event->refs = w->refs_direct ? w->refs_direct : w->refs;
	if (event->nrefs)
		w->stats.edges += w->checked ?
			emit_check_refs(w, event) :
			emit_queue_refs(w, event->refs, event->nrefs);
	emit_finish(w, type, obj, event, how, formula, NULL);
}

EMIT_INLINE void emit_leaf(struct walk *w, struct walk_type *type, uint64_t obj,
			   unsigned how, walk_size_fn *formula, walk_object_fn *values)
{
	struct snap_object *const event = &w->leaf;

	event->addr = obj;
	emit_finish(w, type, obj, event, how, formula, values);
}

void emit_shaped(struct walk *w, struct walk_type *type, uint64_t obj, uint32_t shape)
{
	emit_branch(w, type, obj, shape, 0, type->edges, NULL);
}

/* clang-format off */
#define EMIT_DEFINE(name, call) \
	static void emit_##name(struct walk *w, struct walk_type *type, uint64_t obj) \
	{ \
		call; \
	}
EMIT_DEFINE(any, emit_shaped(w, type, obj, 0))
EMIT_DEFINE(container, emit_branch(w, type, obj, 0, EMIT_HEADER, type->edges, NULL))
EMIT_DEFINE(instance, emit_branch(w, type, obj, 0, EMIT_HEADER | EMIT_FIXED, type->edges,
				  NULL))
EMIT_DEFINE(any_leaf, emit_leaf(w, type, obj, 0, NULL, NULL))
EMIT_DEFINE(bare, emit_leaf(w, type, obj, EMIT_BARE, NULL, NULL))
/* what there are millions of */
EMIT_DEFINE(int, emit_leaf(w, type, obj, EMIT_NUMBER | EMIT_INSIDE, sizes_of_int,
			   values_of_int))
EMIT_DEFINE(float, emit_leaf(w, type, obj, EMIT_NUMBER | EMIT_FIXED, NULL,
			     values_of_float))
EMIT_DEFINE(str, emit_leaf(w, type, obj, EMIT_STR | EMIT_QUICK, sizes_of_str,
			   values_of_str))
EMIT_DEFINE(plain, emit_branch(w, type, obj, 0, EMIT_HEADER | EMIT_QUICK | EMIT_FIXED,
			       edges_of_plain, NULL))
EMIT_DEFINE(tuple, emit_branch(w, type, obj, 0, EMIT_HEADER | EMIT_QUICK | EMIT_INSIDE,
			       edges_of_tuple, sizes_of_object))
EMIT_DEFINE(list, emit_branch(w, type, obj, 0, EMIT_HEADER | EMIT_QUICK, edges_of_list,
			      sizes_of_list))
EMIT_DEFINE(dict, emit_branch(w, type, obj, 0, EMIT_HEADER | EMIT_QUICK, edges_of_dict,
			      sizes_of_dict))
/* clang-format on */

/* ---- the plan of a type ---- */

static unsigned emit_how(const struct walk *w, const struct walk_type *type)
{
	const unsigned fixed = type->fixed_size ? EMIT_FIXED : 0;

	if (w->lay->free_threaded || w->lay->refcnt || (type->traits & WALK_TRAIT_TYPE))
		return 0;
	if (type->traits & WALK_TRAIT_HEADER)
		return w->lay->gc_head == 16 ? EMIT_HEADER | fixed : 0;
	return type->traits & WALK_TRAIT_STR ? EMIT_STR : EMIT_BARE | fixed;
}

/* The functions for types of which there are millions, by what was decided of them. */
static const struct emit_row {
	unsigned how;
	walk_edges_fn *edges;
	walk_size_fn *size; /* NULL: any that is EMIT_FIXED */
	walk_object_fn *values, *emit;
} emit_rows[] = {
	{ EMIT_BARE, NULL, sizes_int, values_int, emit_int },
	{ EMIT_BARE | EMIT_FIXED, NULL, NULL, values_float, emit_float },
	{ EMIT_STR, NULL, sizes_str, values_str, emit_str },
	{ EMIT_HEADER | EMIT_FIXED, edges_plain, NULL, NULL, emit_plain },
	{ EMIT_HEADER, edges_tuple, sizes_object, NULL, emit_tuple },
	{ EMIT_HEADER, edges_list, sizes_list, NULL, emit_list },
	{ EMIT_HEADER, edges_dict, sizes_dict, NULL, emit_dict },
};

static walk_object_fn *emit_function(const struct walk *w, const struct walk_type *type)
{
	const unsigned how = emit_how(w, type);

	for (size_t i = 0; i < sizeof(emit_rows) / sizeof(emit_rows[0]); i++) {
		const struct emit_row *row = &emit_rows[i];

		if (row->how == how && row->edges == type->edges &&
		    (!row->size || row->size == type->size) &&
		    row->values == type->values && !type->native && !type->prefix_asks &&
		    (how & EMIT_HEADER || !type->prefix))
			return row->emit;
	}
	if (!(how & EMIT_HEADER) && type->edges)
		return emit_any;
	switch (how) {
	case EMIT_HEADER:
		return type->edges ? emit_container : emit_any_leaf;
	case EMIT_HEADER | EMIT_FIXED:
		return type->edges ? emit_instance : emit_any_leaf;
	case EMIT_BARE:
		return emit_bare;
	default:
		return type->edges ? emit_any : emit_any_leaf;
	}
}

void emit_plan(const struct walk *w, struct walk_type *type)
{
	if (type->flags & SNAP_TYPE_GC && !(w->lay->unknown & LAYOUT_HEADER))
		type->traits |= type->kind == SNAP_KIND_TYPE ? WALK_TRAIT_TYPE :
							       WALK_TRAIT_HEADER;
	if (type->kind == SNAP_KIND_STR && !(w->lay->unknown & LAYOUT_STR))
		type->traits |= WALK_TRAIT_STR;
	if (type->kind == SNAP_KIND_TUPLE && type->exact)
		type->traits |= WALK_TRAIT_CLOSURE;
	if (type->kind == SNAP_KIND_FUNCTION)
		type->traits |= WALK_TRAIT_FUNCTION;
	if (type->size_approx)
		type->object_flags |= SNAP_OBJ_SIZE_APPROX;
	if (type->opaque)
		type->object_flags |= SNAP_OBJ_OPAQUE;
	if (type->size == sizes_object && !type->itemsize && !type->prefix_asks)
		type->fixed_size = type->basicsize + type->prefix;
	type->lead = type->prefix_asks ? 0 : type->prefix;
	type->inside_max =
		type->size_method ? type->basicsize + type->prefix : UINT64_MAX;
	type->emit = emit_function(w, type);
}
