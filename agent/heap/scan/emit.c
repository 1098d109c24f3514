/* SPDX-License-Identifier: MIT */
/* emit - see emit.h. */
#include "agent/heap/scan/emit.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/types.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/object/size_plan.h"
#include "agent/heap/scan/sizecheck.h"
#include "agent/python/str.h"
#include "agent/python/type.h"

enum { EMIT_UNTRACKED = -2 }; /* gc_refs of what is on no list, in 3.6 and 3.7 */

/* Type objects that are not heap types lie in a library, without a gc header. */
static bool emit_has_gc_header(const struct walk *w, const struct walk_type *type,
			       uint64_t obj)
{
	return (type->flags & SNAP_TYPE_GC) &&
		(type->kind != SNAP_KIND_TYPE || (type_is_heap(w->lay, obj)));
}

static bool emit_is_tracked(const struct walk *w, uint64_t obj)
{
	uint64_t g = obj - w->lay->gc_head;

	if (w->lay->gc_head != 16)
		return (int64_t)peek64(g + 16) != EMIT_UNTRACKED;
	return peek64(g) != 0;
}

static uint32_t emit_flags(struct walk *w, const struct walk_type *type, uint64_t obj,
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
	if (emit_has_gc_header(w, type, obj) && emit_is_tracked(w, obj)) {
		flags |= SNAP_OBJ_GC_TRACKED;
		if (w->frozen.count && marks_test(&w->frozen, obj))
			flags |= SNAP_OBJ_FROZEN;
	}
	range = ranges_of(w, obj);
	if (range && range->image)
		flags |= SNAP_OBJ_STATIC;
	if (type->kind == SNAP_KIND_STR &&
	    str_interned(lay, peek32(obj + lay->str_state)))
		flags |= SNAP_OBJ_INTERNED;
	return flags;
}

/* Drops references that are no objects: for what a conservative find led to. */
static void emit_check_refs(struct walk *w, struct snap_object *event)
{
	uint32_t n = event->nrefs;

	while (w->refs_capacity < n && !w->err)
		references_make_room(w);
	if (w->err)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t ref = event->refs[i];

		w->refs[i] = sound_to_follow(w, ref) ? ref : 0;
		if (w->refs[i])
			marks_set(&w->marks, ref);
	}
	event->refs = w->refs;
}

static void emit_send(struct walk *w, struct walk_type *type, struct snap_object *event)
{
	uint32_t edges = 0;

	if (w->checked)
		emit_check_refs(w, event);
	for (uint32_t i = 0; i < event->nrefs; i++)
		edges += event->refs[i] != 0;
	w->stats.edges += edges;
	w->stats.objects++;
	w->stats.bytes += event->size;
	type->count++;
	type->bytes += event->size;
	EVENTS_SEND(w, object, event);
}

/* Where the object's own bytes lie: with its gc header, without its item arrays. */
static void emit_note_memory(struct walk *w, const struct walk_type *type,
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

const struct walk_type *emit_object(struct walk *w, uint64_t obj, uint32_t shape)
{
	struct walk_type *type = types_of(w, obj);
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
	event.size = type->size(w, type, obj) + size_plan_prefix(w, type, obj);
	event.flags = emit_flags(w, type, obj, &event.refcount);
	if (type->size_approx)
		event.flags |= SNAP_OBJ_SIZE_APPROX;
	if (type->opaque)
		event.flags |= SNAP_OBJ_OPAQUE;
	emit_send(w, type, &event);
	emit_note_memory(w, type, &event);
	if (type->values)
		type->values(w, type, obj);
	if (type->native)
		type->native(w, type, obj);
	sizecheck_sample(w, type, obj, event.size);
	return type;
}
