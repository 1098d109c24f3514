/* SPDX-License-Identifier: MIT */
/* shallow - see shallow.h. */
#include "agent/heap/scan/shallow.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/types.h"
#include "agent/heap/scan/emit.h"
#include "agent/python/dict.h"

enum {
	SHALLOW_PROGRESS = 1 << 18,
	SHALLOW_DEPTH = 8, /* of what isn't tracked, in each other */
	SHALLOW_FEW = 128,
};

/* Links of a gc header; the two low bits of the second are flags of the collector. */
static uint64_t shallow_link(uint64_t addr)
{
	return peek64(addr) & ~3ULL;
}

static void shallow_object(struct walk *w, uint64_t obj, unsigned depth);

/* A reference that somebody written holds: if it is the only one, that object comes by
 * nowhere else. */
static void shallow_reference(struct walk *w, uint64_t ref, unsigned depth)
{
	uint64_t count;

	if (ref && object_count(w->lay, ref, &count) == OBJECT_COUNTED && count == 1 &&
	    !emit_tracks(w, types_of(w, ref), ref))
		shallow_object(w, ref, depth + 1);
}

static void shallow_pairs(struct walk *w, uint64_t dict, unsigned depth)
{
	struct dict_iter iter;
	uint64_t key, value;

	if (!dict_begin(w->lay, dict, &iter))
		return;
	while (dict_next(&iter, &key, &value) && !w->err) {
		shallow_reference(w, key, depth);
		shallow_reference(w, value, depth);
	}
}

/* Items that lie in a row are looked at there, a dict's pairs as well; others are few,
 * or left out: a list of millions of them would take memory. */
static void shallow_held(struct walk *w, struct walk_type *type, uint64_t obj,
			 unsigned depth)
{
	uint64_t few[SHALLOW_FEW];
	const uint64_t *refs = few;

	if (type->kind == SNAP_KIND_DICT && !(w->lay->unknown & LAYOUT_DICT)) {
		shallow_pairs(w, obj, depth);
		return;
	}
	w->nrefs = 0;
	w->refs_direct = NULL;
	type->edges(w, type, obj);
	const uint32_t n = w->nrefs;
	if (w->refs_direct)
		refs = w->refs_direct;
	else if (n <= SHALLOW_FEW)
		memcpy(few, w->refs, n * sizeof(*few));
	else
		return;
	for (uint32_t i = 0; i < n && !w->err; i++)
		shallow_reference(w, refs[i], depth);
}

static void shallow_object(struct walk *w, uint64_t obj, unsigned depth)
{
	struct walk_type *const type = types_of(w, obj);

	emit_alone(w, type, obj);
	if (w->stats.objects - w->reported >= SHALLOW_PROGRESS) {
		w->reported = w->stats.objects;
		events_progress(w);
	}
	if (type->edges && depth < SHALLOW_DEPTH)
		shallow_held(w, type, obj, depth);
}

/* To the head again; each must lead back to the one before, so it can't go in circles. */
static void shallow_one_list(struct walk *w, uint64_t head)
{
	uint64_t before = head, at = head ? shallow_link(head) : 0;

	for (; at && at != head && !w->err; before = at, at = shallow_link(at)) {
		if (shallow_link(at + 8) != before) {
			events_error(w, at + w->lay->gc_head, NULL,
				     "the collector's lists are damaged here; what "
				     "follows is not told");
			return;
		}
		shallow_object(w, at + w->lay->gc_head, 0);
	}
}

void shallow_list(struct walk *w)
{
	events_fact_u64(w, "walk.summary", 1);
	if (w->lay->free_threaded)
		events_error(w, 0, NULL,
			     "a free-threaded CPython's collector keeps no lists of "
			     "which a summary could be made");
	if (w->lay->unknown & (LAYOUT_LISTS | LAYOUT_HEADER))
		events_error(
			w, 0, NULL,
			"where the collector's lists of this CPython begin, of which "
			"a summary is made, is not known");
	for (uint32_t i = 0; i < w->lay->gc_count; i++)
		for (unsigned h = 0; h < LAYOUT_HEADS; h++)
			shallow_one_list(w, w->lay->gc[i].heads[h]);
}
