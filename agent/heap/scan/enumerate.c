/* SPDX-License-Identifier: MIT */
/*
 * enumerate - the collector's lists, walked from many places at once.
 *
 * A linked list of millions of objects in no address order costs a cache miss a
 * step.  So K cursors run in turn, each prefetching its next node, from many
 * starts: every list's head, and objects found by looking at random pages, each
 * proven to be a member (its neighbours point back at it).  A cursor ends at a
 * list head or at an object that is marked already, which is where another one
 * began; so by induction every node is reached, and no start needs to be known
 * to belong to a certain list.
 *
 * With Py_TRACE_REFS (up to 3.12) every object begins with two more links, of the
 * list of all objects (Include/object.h, _PyObject_HEAD_EXTRA; Objects/object.c,
 * _Py_AddToAllObjects): neighbours that agree prove nothing there, so such a build is
 * walked from the heads alone.
 *
 * Without a GIL the collector keeps no list, and looks at all blocks of its heaps
 * (Python/gc_free_threading.c); so do we, at those of all threads and of none.
 */
#include "agent/heap/scan/enumerate.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/mimalloc.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/scan/rings.h"

enum {
	CURSORS = 64,	  /* at a time; measured: 32 to 64 are best */
	STARTS = 512,	  /* known in all: the longest stretch is then short */
	PAGES_MAX = 2048, /* random pages looked at for starts */
	PAGE = 4096,	  /* the part of one that is looked at */
};

/* Objects begin at no address below: by default nothing is mapped in the first 64 KiB
 * (vm.mmap_min_addr), and what comes first there is a program's header. */
#define ENUMERATE_LOWEST 0x11000ULL
#define LINK(word) ((word) & ~3ULL)

struct cursor {
	uint64_t at, before; /* gc headers */
};

struct lists {
	struct walk *w;
	uint64_t heads[LAYOUT_HEADS * LAYOUT_INTERPS]; /* ascending */
	uint32_t nheads;
	struct cursor starts[STARTS + LAYOUT_HEADS * LAYOUT_INTERPS];
	uint32_t nstarts; /* not taken by a cursor yet */
	struct cursor cursors[CURSORS];
	uint32_t ncursors;
	uint32_t broken;
};

static __attribute__((noinline)) bool enumerate_search_head(const struct lists *l,
							    uint64_t g)
{
	uint32_t low = 0, high = l->nheads;

	while (high - low > 1) {
		const uint32_t middle = (low + high) / 2;

		if (l->heads[middle] <= g)
			low = middle;
		else
			high = middle;
	}
	return l->heads[low] == g;
}

static inline bool enumerate_is_head(const struct lists *l, uint64_t g)
{
	return __builtin_expect(g >= l->heads[0] && l->nheads &&
					g <= l->heads[l->nheads - 1],
				0) &&
		enumerate_search_head(l, g);
}

/* Keeps them in ascending order. */
static void enumerate_add_head(struct lists *l, uint64_t head)
{
	uint32_t at = l->nheads;

	if (!head)
		return;
	for (; at && l->heads[at - 1] > head; at--)
		l->heads[at] = l->heads[at - 1];
	l->heads[at] = head;
	l->nheads++;
}

/*
 * A word that may be anywhere.  In place other threads run, those that don't hold
 * the GIL (and the loader's own last steps): memory that is no object's may be
 * unmapped any time, and looking at it would kill the target, so the kernel reads.
 */
static bool enumerate_word(const struct lists *l, uint64_t addr, uint64_t *ret)
{
	if (!l->w->options->in_copy)
		return peek_safe64(addr, ret);
	if (!ranges_hold(l->w, addr, 8))
		return false;
	*ret = peek64(addr);
	return true;
}

/* A member of some list: linked both ways, and an object behind it. */
static bool enumerate_is_member(const struct lists *l, uint64_t g, const uint64_t link[2])
{
	uint64_t next = LINK(link[0]), prev = LINK(link[1]), back, forth;

	if (!peek_plausible(next) || !peek_plausible(prev) || enumerate_is_head(l, g))
		return false;
	if (!enumerate_word(l, next + 8, &back) || LINK(back) != g ||
	    !enumerate_word(l, prev, &forth) || LINK(forth) != g)
		return false;
	return sound_object(l->w, g + l->w->lay->gc_head);
}

static void enumerate_start(struct lists *l, uint64_t g, uint64_t before)
{
	if (!enumerate_is_head(l, g) && marks_set(&l->w->marks, g + l->w->lay->gc_head))
		l->starts[l->nstarts++] = (struct cursor){ g, before };
}

/* xorshift64: no library call, no state of the target's. */
static uint64_t enumerate_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool enumerate_may_hold(const struct walk_range *r)
{
	return !r->file && !r->special && !r->image && (r->perms & 11) == 3 &&
		r->end - r->start >= 16 * PAGE;
}

/* First member on a page, or 0. Objects are 16 bytes apart (8 in 3.6, 3.7). */
static uint64_t enumerate_member_on(const struct lists *l, uint64_t page)
{
	uint64_t step = l->w->lay->gc_head == 16 ? 16 : 8;
	char copy[PAGE];
	const char *bytes = copy;
	uint64_t link[2];

	if (!l->w->options->in_copy) {
		if (!peek_safe(page, copy, sizeof(copy)))
			return 0;
	} else if (ranges_hold(l->w, page, PAGE)) {
		bytes = peek_bytes(page, PAGE);
	} else {
		return 0;
	}
	for (uint64_t at = 0; at < PAGE - 64; at += step) {
		memcpy(link, bytes + at, sizeof(link));
		if (enumerate_is_member(l, page + at, link))
			return page + at;
	}
	return 0;
}

static void enumerate_random_starts(struct lists *l)
{
	struct walk *w = l->w;
	uint64_t pages = 0, state = 0x2545f4914f6cdd1dULL, pick, g;
	/* in place each look is a system call */
	const uint32_t most = w->options->in_copy ? STARTS : STARTS / 4;

	/* Py_TRACE_REFS: see above; or a list whose head we would take for an object */
	if (w->lay->refcnt || w->lay->gc_unknown)
		return;
	for (uint32_t i = 0; i < w->nranges; i++)
		if (enumerate_may_hold(&w->ranges[i]))
			pages += (w->ranges[i].end - w->ranges[i].start) / PAGE;
	for (uint32_t n = 0; n < PAGES_MAX && n < pages / 16 && l->nstarts < most; n++) {
		pick = enumerate_random(&state) % pages;
		for (uint32_t i = 0; i < w->nranges; i++) {
			const struct walk_range *r = &w->ranges[i];
			uint64_t size =
				enumerate_may_hold(r) ? (r->end - r->start) / PAGE : 0;

			if (pick >= size) {
				pick -= size;
				continue;
			}
			g = enumerate_member_on(l, r->start + pick * PAGE);
			if (g)
				enumerate_start(l, g, LINK(peek64(g + 8)));
			break;
		}
	}
}

/* What is the same for each of millions of steps: in registers, not in memory that a
 * store might have changed. */
struct steps {
	struct marks *marks;
	struct marks_leaf **directory;
	uint64_t gc_head;
	uint64_t lowest, span; /* between which the lists' heads lie */
};

static struct steps enumerate_steps(struct lists *l)
{
	const uint64_t lowest = l->nheads ? l->heads[0] : 0;

	return (struct steps){ &l->w->marks, l->w->marks.directory, l->w->lay->gc_head,
			       lowest, l->nheads ? l->heads[l->nheads - 1] - lowest : 0 };
}

/* One step of a cursor; false when it has come to its end. */
static inline __attribute__((always_inline)) bool enumerate_step(struct lists *l,
								 const struct steps *s,
								 struct cursor *c)
{
	const uint64_t at = c->at, next = LINK(peek64(at)), obj = next + s->gc_head;
	const uint64_t place = marks_place(obj);
	struct marks_leaf *leaf;

	if (__builtin_expect(LINK(peek64(at + 8)) != c->before, 0)) {
		l->broken++;
		return false;
	}
	if (__builtin_expect(next - s->lowest <= s->span, 0) &&
	    enumerate_is_head(l, next))
		return false;
	if (__builtin_expect(place - ENUMERATE_LOWEST / 8 >=
				     MARKS_PLACES - ENUMERATE_LOWEST / 8,
			     0))
		return false;
	leaf = s->directory[place >> (MARKS_LEAF_SHIFT - 3)];
	if (__builtin_expect(!leaf, 0))
		leaf = marks_grow(s->marks, obj);
	if (!leaf || marks_is_set(leaf, obj))
		return false;
	marks_add_to(leaf, obj);
	peek_ahead(next);
	c->before = at;
	c->at = next;
	return true;
}

static void enumerate_run(struct lists *l)
{
	const struct steps steps = enumerate_steps(l);

	while (l->ncursors < CURSORS && l->nstarts)
		l->cursors[l->ncursors++] = l->starts[--l->nstarts];
	while (l->ncursors) {
		struct cursor *c = l->cursors, *end = c + l->ncursors;

		while (c < end) {
			if (__builtin_expect(enumerate_step(l, &steps, c), 1))
				c++;
			else if (l->nstarts)
				*c = l->starts[--l->nstarts];
			else
				*c = *--end;
		}
		l->ncursors = (uint32_t)(end - l->cursors);
	}
}

static void enumerate_mark_frozen(struct walk *w, uint64_t head)
{
	uint64_t g = head ? LINK(peek64(head)) : 0;

	for (; g && g != head; g = LINK(peek64(g)))
		if (!marks_set(&w->frozen, g + w->lay->gc_head))
			return; /* a loop that never comes back: broken */
}

/* ---- without a GIL there are no lists, but heaps ---- */

enum { KINDS = 256 }; /* types found sound, by address */

static bool enumerate_is_type(struct walk *w, uint64_t *sound, uint64_t type)
{
	uint64_t *const slot = &sound[type >> 5 & (KINDS - 1)];

	if (*slot == type)
		return true;
	if (!peek_plausible(type) || !sound_object(w, type) ||
	    !object_is_type(w->lay, type))
		return false;
	*slot = type;
	return true;
}

static void enumerate_block(struct walk *w, const struct mimalloc_page *page,
			    uint64_t block, void *arg)
{
	const uint64_t obj = block + mimalloc_before(w, page);
	const uint8_t bits = object_gc_bits(w->lay, obj);
	uint64_t count;
	const enum object_count kind = object_count(w->lay, obj, &count);

	/* neither what is being made, nor what is being freed; what became immortal is
	 * no longer tracked (_Py_SetImmortal, Objects/object.c) */
	if ((!(bits & OBJECT_GC_TRACKED) && kind != OBJECT_IMMORTAL) ||
	    (kind == OBJECT_COUNTED && !count) ||
	    !enumerate_is_type(w, arg, object_type(w->lay, obj)))
		return;
	marks_set(&w->marks, obj);
	if (bits & OBJECT_GC_FROZEN)
		marks_set(&w->frozen, obj);
}

static void enumerate_page(struct walk *w, const struct mimalloc_page *page, void *arg)
{
	if (page->tag >= MIMALLOC_COLLECTED &&
	    page->block >= mimalloc_before(w, page) + w->lay->head)
		mimalloc_blocks(w, page, enumerate_block, arg);
}

static void enumerate_heaps(struct walk *w)
{
	uint64_t *sound;

	mimalloc_begin(w);
	sound = context_alloc(w, KINDS * sizeof(*sound));
	if (!sound)
		return;
	mimalloc_pages(w, enumerate_page, sound);
	if (w->mimalloc && !marks_test(&w->marks, w->lay->known_tracked))
		events_error(w, 0, NULL,
			     "the collector's heaps lack sys.modules; objects are only "
			     "found by reference");
}

/* Where the probe found lists, or what there is instead. */
static bool enumerate_otherwise(struct walk *w)
{
	if (w->lay->free_threaded)
		enumerate_heaps(w);
	else if (w->lay->unknown & LAYOUT_LISTS)
		rings_mark(w);
	else if (w->lay->unknown & LAYOUT_HEADER)
		events_error(
			w, 0, NULL,
			"the collector's lists are not known; objects are only found "
			"by reference");
	else
		return false;
	return true;
}

void enumerate_lists(struct walk *w)
{
	struct lists *l;

	if (enumerate_otherwise(w))
		return;
	l = arena_alloc(w->arena, sizeof(*l));
	if (!l) {
		context_check(w, -ENOMEM);
		return;
	}
	l->w = w;
	for (uint32_t i = 0; i < w->lay->gc_count; i++)
		for (unsigned h = 0; h < LAYOUT_HEADS; h++)
			enumerate_add_head(l, w->lay->gc[i].heads[h]);
	for (uint32_t i = 0; i < l->nheads; i++)
		enumerate_start(l, LINK(peek64(l->heads[i])), l->heads[i]);
	enumerate_random_starts(l);
	enumerate_run(l);
	for (uint32_t i = 0; i < w->lay->gc_count; i++)
		enumerate_mark_frozen(w, w->lay->gc[i].heads[3]);
	if (w->lay->gc_unknown)
		events_error(w, 0, NULL,
			     "the collector's lists of some interpreters are not known; "
			     "their objects are only found by reference");
	if (l->broken)
		events_error(w, 0, NULL,
			     "the collector's lists are damaged in places; objects "
			     "beyond are only found by reference");
	if (!marks_test(&w->marks, w->lay->known_tracked))
		events_error(w, 0, NULL,
			     "the collector's lists lack sys.modules; objects are only "
			     "found by reference");
}
