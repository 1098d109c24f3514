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
#include "agent/heap/core/types.h"
#include "agent/heap/scan/closures.h"

enum {
	SWEEP_PASSES = 8, /* then depth first */
	SWEEP_PROGRESS = 1 << 18,
};

static inline void sweep_object(struct walk *w, struct walk_type *type, uint64_t obj)
{
	type->emit(w, type, obj);
	if (__builtin_expect(type->traits & WALK_TRAIT_FUNCTION, 0))
		closures_emit(w, obj);
}

static inline bool sweep_waits(const struct walk *w, const struct walk_type *type,
			       uint64_t obj)
{
	return (type->traits & WALK_TRAIT_CLOSURE) && closures_put_off(w, obj);
}

/* Where an object is swept. */
struct sweep_place {
	struct walk *w;
	uint64_t *done; /* the word of the bitmap */
	bool some_wait; /* objects of it are put off */
};

/* A function, or a tuple that may be one's closure. */
static __attribute__((noinline)) void sweep_special(struct sweep_place *place,
						    struct walk_type *type, uint64_t obj)
{
	const uint64_t bit = 1ULL << (obj >> 3 & 63);

	if (*place->done & bit) /* written with its function, a moment ago */
		return;
	if (sweep_waits(place->w, type, obj)) {
		place->some_wait = true;
		return;
	}
	*place->done |= bit;
	sweep_object(place->w, type, obj);
}

/*
 * The objects of one word of the bitmap.  What is marked in it meanwhile comes next time:
 * the word is pending again.  False when some are put off.
 */
static bool sweep_word(struct walk *w, uint64_t *mark, uint64_t *done, uint64_t base)
{
	struct sweep_place place = { w, done, false };
	const uint64_t type_at = w->lay->type;
	struct walk_type *const *const cache = w->types->cache;
	const uint64_t before = *mark & ~*done;
	uint64_t special = 0;

	for (uint64_t todo = before; todo; todo &= todo - 1) {
		const uint64_t obj = base + (unsigned)__builtin_ctzll(todo) * 8;
		const uint64_t addr = peek64(obj + type_at);
		struct walk_type *type = cache[addr >> 4 & (TYPES_CACHE - 1)];

		if (__builtin_expect(type->addr != addr, 0))
			type = types_find(w, addr);
		if (type->traits & (WALK_TRAIT_CLOSURE | WALK_TRAIT_FUNCTION)) {
			special |= todo & -todo;
			sweep_special(&place, type, obj);
			continue;
		}
		type->emit(w, type, obj);
	}
	*done |= before & ~special;
	return !place.some_wait;
}

/* Words with new marks, in order, until there are none in these 64. */
static void sweep_group(struct walk *w, struct marks_leaf *leaf, uint32_t group,
			uint64_t base)
{
	const uint32_t first = group * 64;
	uint64_t later = 0, bits;

	while ((bits = leaf->pending[group] & ~later) && !w->err) {
		leaf->pending[group] = 0;
		for (; bits && !w->err; bits &= bits - 1) {
			const unsigned word = (unsigned)__builtin_ctzll(bits);

			if (!sweep_word(w, &leaf->mark[first + word],
					&leaf->done[first + word],
					base + (first + word) * 512ULL))
				later |= 1ULL << word;
		}
	}
	leaf->pending[group] |= later;
}

static void sweep_leaf(struct walk *w, struct marks_leaf *leaf, uint64_t base)
{
	for (uint32_t group = 0; group < MARKS_GROUPS && !w->err; group++) {
		if (!leaf->pending[group])
			continue;
		sweep_group(w, leaf, group, base);
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
		struct walk_type *type;

		type = types_of(w, obj);
		if (!sweep_waits(w, type, obj) && marks_set_done(&w->marks, obj))
			sweep_object(w, type, obj);
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
