/* SPDX-License-Identifier: MIT */
/*
 * rings - the collector's lists, where nobody knows where they begin.
 *
 * A CPython that is newer than the tables may keep other lists than three in a row, and
 * elsewhere.  But a list is a ring: from one of its members all others are reached, and
 * the one node that is no object is its head.  Members that are known: sys.modules; what
 * a head beside a head that was found leads to; and, in a copy, whatever on some pages of
 * the heap is linked both ways and an object.  (In place other threads may unmap memory
 * that is no object's at any time, so no page is looked at by chance.)
 *
 * Steps are checked one by one: slower than enumerate.c, which knows what it walks.
 */
#include "agent/heap/scan/rings.h"

#include "agent/base/peek.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/python/type_flags.h"

enum {
	RINGS_HEADS = 64,      /* beside which others are looked for */
	RINGS_BESIDE = 1024,   /* bytes on either side */
	RINGS_PAGES = 1 << 16, /* looked at, evenly spread */
	RINGS_PAGE = 4096,
};

#define LINK(word) ((word) & ~3ULL)

struct rings {
	struct walk *w;
	uint64_t heads[RINGS_HEADS];
	uint32_t nheads, looked; /* beside so many of them */
	uint32_t broken;
};

/* The two links of a node, whose neighbours agree with them. */
static bool rings_linked(uint64_t at, uint64_t link[2])
{
	uint64_t back, forth;

	if (!peek_safe(at, link, 2 * sizeof(*link)))
		return false;
	link[0] = LINK(link[0]);
	link[1] = LINK(link[1]);
	return peek_plausible(link[0]) && peek_plausible(link[1]) &&
		peek_safe64(link[0] + 8, &back) && LINK(back) == at &&
		peek_safe64(link[1], &forth) && LINK(forth) == at;
}

static void rings_add_head(struct rings *r, uint64_t head)
{
	for (uint32_t i = 0; i < r->nheads; i++)
		if (r->heads[i] == head)
			return;
	if (r->nheads < RINGS_HEADS)
		r->heads[r->nheads++] = head;
}

/* Marks the ring from this member on; it comes to an end at one that is marked. */
static void rings_follow(struct rings *r, uint64_t first)
{
	struct walk *const w = r->w;
	const uint16_t before = w->lay->gc_head;
	uint64_t at = first, next;

	do {
		if (!sound_object(w, at + before))
			rings_add_head(r, at);
		else if (!marks_set(&w->marks, at + before))
			return;
		next = LINK(peek64(at));
		if (!ranges_hold(w, next, 16) || LINK(peek64(next + 8)) != at) {
			r->broken++;
			return;
		}
		at = next;
	} while (at != first && !w->err);
}

static bool rings_is_new(struct rings *r, uint64_t g)
{
	const uint64_t obj = g + r->w->lay->gc_head;

	return ranges_hold(r->w, g, 16) && !marks_test(&r->w->marks, obj) &&
		sound_object(r->w, obj) &&
		object_type_has(r->w->lay, object_type(r->w->lay, obj), TYPE_HAVE_GC);
}

/* Heads of other generations lie by the one that was found. */
static void rings_beside(struct rings *r, uint64_t head)
{
	uint64_t link[2];

	for (uint64_t at = head - RINGS_BESIDE; at < head + RINGS_BESIDE; at += 4)
		if (at != head && rings_linked(at, link) && link[0] != at &&
		    rings_is_new(r, link[0]))
			rings_follow(r, link[0]);
}

static void rings_page(struct rings *r, uint64_t page)
{
	struct walk *const w = r->w;
	const uint64_t step = w->lay->gc_head == 16 ? 16 : 8;
	uint64_t link[2];

	for (uint64_t at = page; at < page + RINGS_PAGE - 64 && !w->err; at += step) {
		const uint64_t next = LINK(peek64(at)), prev = LINK(peek64(at + 8));

		if (peek_plausible(next) && peek_plausible(prev) &&
		    !marks_test(&w->marks, at + w->lay->gc_head) &&
		    rings_linked(at, link) && rings_is_new(r, at))
			rings_follow(r, at);
	}
}

static bool rings_may_hold(const struct walk_range *r)
{
	return !r->file && !r->special && !r->image && (r->perms & 11) == 3;
}

static void rings_pages(struct rings *r)
{
	struct walk *const w = r->w;
	uint64_t pages = 0, stride;

	for (uint32_t i = 0; i < w->nranges; i++)
		if (rings_may_hold(&w->ranges[i]))
			pages += (w->ranges[i].end - w->ranges[i].start) / RINGS_PAGE;
	stride = (pages / RINGS_PAGES + 1) * RINGS_PAGE;
	for (uint32_t i = 0; i < w->nranges; i++) {
		const struct walk_range *const range = &w->ranges[i];

		if (!rings_may_hold(range))
			continue;
		for (uint64_t at = range->start; at < range->end && !w->err; at += stride)
			if (ranges_hold(w, at, RINGS_PAGE))
				rings_page(r, at);
	}
}

void rings_mark(struct walk *w)
{
	const uint64_t known = w->lay->known_tracked - w->lay->gc_head;
	struct rings *const r = context_alloc(w, sizeof(*r));
	uint64_t link[2];

	if (!r)
		return;
	r->w = w;
	if (rings_linked(known, link))
		rings_follow(r, known);
	if (w->options->in_copy)
		rings_pages(r);
	while (r->looked < r->nheads && !w->err)
		rings_beside(r, r->heads[r->looked++]);
	events_error(w, 0, NULL,
		     "where the collector's lists of this CPython begin is not known; "
		     "objects on lists of which no member was met are only found by "
		     "reference");
	if (r->broken)
		events_error(w, 0, NULL,
			     "the collector's lists are damaged in places; objects "
			     "beyond are only found by reference");
}
