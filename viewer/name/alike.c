/* SPDX-License-Identifier: MIT */
/*
 * alike - one pass counts each type's small children, a second makes the lines (alike.h).
 */
#include "viewer/name/alike.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "viewer/analysis/growth.h"
#include "viewer/name/chain.h"
#include "viewer/name/name.h"
#include "viewer/text/human.h"

enum { LEAST = 3, LEAST_NAMED = 8 };

bool alike_named(const struct heap *heap, uint32_t node)
{
	if (heap_is_native(heap, node))
		return true;
	if (node >= heap->objects) {
		uint32_t kind = heap_synth(heap, node)->kind;

		return kind != HEAP_SYNTH_UNKNOWN && kind != HEAP_SYNTH_GARBAGE &&
			kind != HEAP_SYNTH_IMMORTAL && kind != HEAP_SYNTH_INTERNED;
	}
	switch (heap_kind(heap, node)) {
	case SNAP_KIND_LIST:
	case SNAP_KIND_TUPLE:
	case SNAP_KIND_SET:
	case SNAP_KIND_DEQUE:
		return false;
	case SNAP_KIND_DICT:
		return heap_refs(heap, node).count <= 2 * GROWTH_SMALL_DICT;
	default:
		return true;
	}
}

struct alike_rule {
	uint64_t below;
	uint32_t least;
};

static struct alike_rule alike_rule_of(const struct analysis *a, uint32_t parent,
				       bool chain)
{
	uint64_t all = analysis_retained(a, parent);

	if (!chain && alike_named(a->heap, parent))
		return (struct alike_rule){ all / ALIKE_ALONE_NAMED + 1, LEAST_NAMED };
	return (struct alike_rule){ all / ALIKE_ALONE + 1, LEAST };
}

/* What is below a node: what it dominates, or what hangs at the chain that it begins, for
 * which *room has the nodes. */
static int alike_below(struct analysis *a, uint32_t node, const struct progress *progress,
		       struct vec *room, bool *chain_ret, struct heap_span *ret)
{
	struct chain chain;
	int err = chain_find(a, node, progress, &chain);

	*chain_ret = chain.links > 0;
	if (err || !chain.links)
		return err ? err : analysis_children(a, node, progress, ret);
	err = chain_hangs(a, node, &chain, progress, room);
	*ret = (struct heap_span){ .target = room->data,
				   .count = (uint32_t)VEC_COUNT(*room, uint32_t) };
	return err;
}

static bool alike_member(const struct analysis *a, const struct alike *alike,
			 uint32_t child)
{
	return child < a->heap->objects &&
		heap_namesake_of(a->heap, child) == alike->type &&
		analysis_retained(a, child) < alike->below;
}

struct alike alike_single(const struct analysis *a, uint32_t node)
{
	return (struct alike){ .node = node,
			       .type = heap_namesake_of(a->heap, node),
			       .count = 1,
			       .retained = analysis_retained(a, node),
			       .objects = analysis_retained_count(a, node),
			       .size = heap_shallow(a->heap, node) };
}

void alike_text(struct text *out, const struct heap *heap, const struct alike *alike)
{
	char buf[HUMAN_SIZE];

	if (alike->count <= 1)
		return;
	text_printf(out, "\xc3\x97 %s ", human_count(buf, alike->count));
	name_type(out, heap, alike->type);
}

void alike_brief(struct text *out, const struct heap *heap, const struct alike *alike,
		 size_t width)
{
	struct text brief = { 0 };

	alike_text(&brief, heap, alike);
	if (alike->count > 1 && name_length(text_get(&brief)) > width) {
		text_clear(&brief);
		text_add(&brief, "\xc3\x97 ");
		name_type(&brief, heap, alike->type);
	}
	if (width)
		name_cut(out, text_get(&brief), width);
	else
		text_add(out, text_get(&brief));
	text_free(&brief);
}

void alike_kind(struct text *out, const struct heap *heap, const struct alike *alike,
		size_t limit)
{
	char buf[HUMAN_SIZE];

	if (!alike->chain) {
		name_kind(out, heap, alike->node, limit);
		return;
	}
	text_printf(out, "chain of %s ", human_count(buf, alike->chain));
	name_type(out, heap, alike->type);
}

int alike_find_chain(struct analysis *a, struct alike *alike,
		     const struct progress *progress)
{
	struct chain chain = { 0 };
	int err = alike->count == 1 ? chain_find(a, alike->node, progress, &chain) : 0;

	alike->chain = chain.links;
	return err;
}

static int alike_compare(const void *a, const void *b)
{
	const struct alike *x = a, *y = b;

	if (x->retained != y->retained)
		return x->retained > y->retained ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* counts: of each type's small children; turned into 1 + the line they are in. */
static int alike_lines(const struct analysis *a, struct heap_span children,
		       struct alike_rule rule, uint32_t *counts, struct vec *ret)
{
	const size_t first = VEC_COUNT(*ret, struct alike);

	for (uint32_t i = 0; i < children.count; i++) {
		uint32_t node = children.target[i],
			 type = heap_namesake_of(a->heap, node);
		uint64_t retained = analysis_retained(a, node);
		struct alike line = alike_single(a, node);
		bool together = type && retained < rule.below &&
			(counts[type] >= rule.least || counts[type] & 1u << 31);

		if (together && counts[type] & 1u << 31) {
			struct alike *there = (struct alike *)ret->data + first +
				(counts[type] & ~(1u << 31));

			there->count++;
			there->retained += retained;
			if (retained > analysis_retained(a, there->node))
				there->node = node;
			there->objects += line.objects;
			there->size += line.size;
			continue;
		}
		if (together) {
			counts[type] = 1u << 31 |
				(uint32_t)(VEC_COUNT(*ret, struct alike) - first);
			line.below = rule.below;
		}
		if (vec_append(ret, &line, sizeof(line)))
			return -ENOMEM;
	}
	qsort((struct alike *)ret->data + first, VEC_COUNT(*ret, struct alike) - first,
	      sizeof(struct alike), alike_compare);
	return 0;
}

int alike_children(struct analysis *a, uint32_t parent, const struct progress *progress,
		   struct vec *ret)
{
	const struct heap *heap = a->heap;
	const size_t first = VEC_COUNT(*ret, struct alike);
	struct heap_span children = { 0 };
	struct vec room = { 0 };
	uint32_t *counts = NULL;
	bool chain;

	assert(parent < heap->nodes);
	int err = alike_below(a, parent, progress, &room, &chain, &children);
	const struct alike_rule rule = alike_rule_of(a, parent, chain);
	if (!err && children.count &&
	    !(counts = calloc((size_t)heap->types + 1, sizeof(*counts))))
		err = -ENOMEM;
	for (uint32_t i = 0; i < children.count && !err; i++)
		if (analysis_retained(a, children.target[i]) < rule.below)
			counts[heap_namesake_of(heap, children.target[i])]++;
	if (!err && children.count)
		err = alike_lines(a, children, rule, counts, ret);
	for (size_t i = first; i < VEC_COUNT(*ret, struct alike) && !err; i++)
		err = alike_find_chain(a, (struct alike *)ret->data + i, progress);
	free(counts);
	vec_free(&room);
	return err;
}

/* Those of a line of several, which hang where holder's do. */
static int alike_members(struct analysis *a, uint32_t holder, const struct alike *alike,
			 const struct progress *progress, struct vec *ret)
{
	const size_t first = VEC_COUNT(*ret, struct alike);
	struct heap_span children = { 0 };
	struct vec room = { 0 };
	bool chain;
	int err = alike_below(a, holder, progress, &room, &chain, &children);

	for (uint32_t i = 0; i < children.count && !err; i++) {
		struct alike one = alike_single(a, children.target[i]);

		if (!alike_member(a, alike, one.node))
			continue;
		err = alike_find_chain(a, &one, progress);
		if (!err)
			err = vec_append(ret, &one, sizeof(one));
	}
	if (!err && chain && VEC_COUNT(*ret, struct alike) > first)
		qsort((struct alike *)ret->data + first,
		      VEC_COUNT(*ret, struct alike) - first, sizeof(struct alike),
		      alike_compare);
	vec_free(&room);
	return err;
}

int alike_open(struct analysis *a, uint32_t holder, const struct alike *alike,
	       const struct progress *progress, struct vec *ret)
{
	return alike->count > 1 ? alike_members(a, holder, alike, progress, ret) :
				  alike_children(a, alike->node, progress, ret);
}
