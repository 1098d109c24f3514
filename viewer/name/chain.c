/* SPDX-License-Identifier: MIT */
/* chain - from a node to the largest that it dominates, as long as they repeat
 * (chain.h). */
#include "viewer/name/chain.h"

#include <assert.h>
#include <errno.h>

enum { PERIOD_MOST = 3, NEARLY = 10 /* all but one of so many parts */ };

/* What a node keeps alive that retains most; HEAP_NONE: it is no object. */
static int chain_heaviest(struct analysis *a, uint32_t node,
			  const struct progress *progress, uint32_t *ret)
{
	struct heap_span children;
	int err = analysis_children(a, node, progress, &children);

	*ret = !err && children.count && children.target[0] < a->heap->objects ?
		children.target[0] :
		HEAP_NONE;
	return err;
}

/* The link after that at `from`, by way of period nodes of the types in `kinds` (0: not
 * known yet, filled in); HEAP_NONE: there is none. */
static int chain_next(struct analysis *a, uint32_t from, uint32_t period, uint32_t *kinds,
		      const struct progress *progress, uint32_t *ret)
{
	uint32_t node = from;
	int err = 0;

	*ret = HEAP_NONE;
	for (uint32_t i = 0; i < period && !err; i++) {
		err = chain_heaviest(a, node, progress, &node);
		if (err || node == HEAP_NONE)
			return err;
		const uint32_t kind = heap_namesake_of(a->heap, node);
		if (i + 1 == period ? kind != heap_namesake_of(a->heap, from) :
				      kinds[i] && kinds[i] != kind)
			return 0;
		kinds[i] = kind;
	}
	*ret = node;
	return err;
}

/* How a link of a chain leads on: a dict that leads to a linked list whose objects have
 * dicts is none of them. */
static bool chain_leads_alike(const struct heap *heap, uint32_t one, uint32_t one_next,
			      uint32_t other, uint32_t other_next)
{
	const uint32_t slot = heap_slot(heap, one, one_next),
		       other_slot = heap_slot(heap, other, other_next);
	struct heap_label x, y;

	if (slot == HEAP_NONE || other_slot == HEAP_NONE)
		return slot == other_slot;
	heap_label(heap, one, slot, &x);
	heap_label(heap, other, other_slot, &y);
	return x.kind == y.kind && x.name == y.name && x.key == y.key;
}

static int chain_same_way(struct analysis *a, uint32_t node, uint32_t next,
			  const struct progress *progress, bool *ret)
{
	uint32_t below, next_below;
	int err = chain_heaviest(a, node, progress, &below);

	if (!err)
		err = chain_heaviest(a, next, progress, &next_below);
	*ret = !err && below != HEAP_NONE && next_below != HEAP_NONE &&
		chain_leads_alike(a->heap, node, below, next, next_below);
	return err;
}

/* Whether a link that has `next` after `mine` and lost `before` in so many steps goes
 * on. */
static bool chain_goes_on(uint64_t next, uint64_t mine, uint64_t before, uint32_t steps)
{
	const uint64_t loss = mine - next;

	return loss <= mine / NEARLY || (steps && loss <= 2 * (before / steps));
}

static int chain_try(struct analysis *a, uint32_t node, uint32_t period,
		     const struct progress *progress, uint32_t *links_ret)
{
	const uint64_t whole = analysis_retained(a, node);
	uint32_t kinds[PERIOD_MOST] = { 0 }, steps = 0, next;
	bool same = true;
	int err = 0;

	for (;; steps++, node = next) {
		const uint64_t mine = analysis_retained(a, node);

		err = chain_next(a, node, period, kinds, progress, &next);
		if (err || next == HEAP_NONE ||
		    !chain_goes_on(analysis_retained(a, next), mine, whole - mine, steps))
			break;
		if (period > 1 && !steps)
			err = chain_same_way(a, node, next, progress, &same);
		if (err || !same)
			break;
	}
	*links_ret = steps + 1;
	return err;
}

int chain_find(struct analysis *a, uint32_t node, const struct progress *progress,
	       struct chain *ret)
{
	int err = 0;

	*ret = (struct chain){ 0, 0 };
	if (node >= a->heap->objects ||
	    analysis_retained_count(a, node) < (uint32_t)CHAIN_LEAST)
		return 0;
	for (uint32_t period = 1; period <= PERIOD_MOST && !err; period++) {
		uint32_t links = 0;

		err = chain_try(a, node, period, progress, &links);
		if (!err && links >= (uint32_t)CHAIN_LEAST) {
			*ret = (struct chain){ links, period };
			break;
		}
	}
	return err;
}

int chain_nodes(struct analysis *a, uint32_t node, const struct chain *chain,
		const struct progress *progress, struct vec *ret)
{
	const uint32_t steps = (chain->links - 1) * chain->period;
	int err = vec_push_u32(ret, node) ? -ENOMEM : 0;

	assert(chain->links);
	for (uint32_t i = 0; i < steps && !err; i++) {
		err = chain_heaviest(a, node, progress, &node);
		if (!err && vec_push_u32(ret, node))
			err = -ENOMEM;
	}
	return err;
}

int chain_hangs(struct analysis *a, uint32_t node, const struct chain *chain,
		const struct progress *progress, struct vec *ret)
{
	struct vec nodes = { 0 };
	int err = chain_nodes(a, node, chain, progress, &nodes);
	const size_t count = VEC_COUNT(nodes, uint32_t);

	for (size_t i = 0; i < count && !err; i++) {
		const bool leads = i + 1 < count;
		struct heap_span children;

		err = analysis_children(a, VEC(nodes, uint32_t)[i], progress, &children);
		for (uint32_t k = leads; k < children.count && !err; k++)
			if (vec_push_u32(ret, children.target[k]))
				err = -ENOMEM;
	}
	vec_free(&nodes);
	return err;
}
