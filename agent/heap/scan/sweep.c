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

#include "agent/heap/core/events.h"
#include "agent/heap/scan/closures.h"
#include "agent/heap/scan/emit.h"

enum {
	SWEEP_PASSES = 8, /* then depth first */
	SWEEP_AHEAD = 4,  /* words of 512 bytes of memory */
	SWEEP_PROGRESS = 1 << 18,
};

static void sweep_object(struct walk *w, uint64_t obj)
{
	const struct walk_type *type = emit_object(w, obj, 0);

	if (type->kind == SNAP_KIND_FUNCTION)
		closures_emit(w, obj);
}

/* The objects of one word of the bitmap; bits may be added while it goes on. */
static void sweep_word(struct walk *w, struct marks_leaf *leaf, uint32_t word,
		       uint64_t base)
{
	uint64_t skipped = 0, todo;

	while ((todo = leaf->mark[word] & ~leaf->done[word] & ~skipped) && !w->err) {
		unsigned bit = (unsigned)__builtin_ctzll(todo);
		uint64_t obj = base + word * 512ULL + bit * 8;

		if (closures_put_off(w, obj)) {
			skipped |= 1ULL << bit;
			marks_pend(leaf, word);
			continue;
		}
		leaf->done[word] |= 1ULL << bit;
		sweep_object(w, obj);
	}
}

/* A byte of the bitmap is a cache line of objects: fetches those of one word. */
static inline void sweep_prefetch(uint64_t todo, uint64_t at)
{
	for (; todo; todo >>= 8, at += 64)
		if (todo & 0xff)
			peek_ahead(at);
}

static void sweep_part(struct walk *w, struct marks_leaf *leaf, uint32_t part,
		       uint64_t base)
{
	uint32_t word = part * MARKS_PART_WORDS, end = word + MARKS_PART_WORDS;

	for (; word < end && !w->err; word++) {
		uint32_t ahead = word + SWEEP_AHEAD;

		if (ahead < end)
			sweep_prefetch(leaf->mark[ahead] & ~leaf->done[ahead],
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
		if (w->stats.objects - w->reported < SWEEP_PROGRESS)
			continue;
		w->reported = w->stats.objects;
		events_progress(w);
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
static void sweep_drain(struct walk *w)
{
	while (w->nstack && !w->err) {
		uint64_t obj = w->stack[--w->nstack];

		if (closures_put_off(w, obj) || !marks_set_done(&w->marks, obj))
			continue;
		sweep_object(w, obj);
	}
}

static void sweep_all(struct walk *w)
{
	for (int pass = 0; !w->err; pass++) {
		w->depth_first = pass >= SWEEP_PASSES;
		if (!sweep_pass(w) && !w->nstack)
			break;
		sweep_drain(w);
	}
	w->depth_first = false;
}

void sweep_run(struct walk *w)
{
	closures_last(w, false);
	sweep_all(w);
	closures_last(w, true);
	sweep_all(w);
	events_progress(w);
}
