/* SPDX-License-Identifier: MIT */
/* inside - see inside.h. */
#include "viewer/analysis/inside.h"

#include <assert.h>
#include <string.h>

#include "viewer/analysis/context_var.h"
#include "viewer/analysis/crowd.h"
#include "viewer/analysis/suspect_member.h"

#define WAYS 48u	/* members looked at */
#define KEPT_RATIO 0.6	/* of a member, at every step */
#define ALIKE_RATIO 0.9 /* of the members */
#define CROWDS 8u	/* groups of one type that are told apart */
#define FULL_RATIO 0.7	/* of what a container retains */
#define FULL_COUNT 10u	/* in each container: fewer are its parts */

struct way {
	uint32_t node[SUSPECT_INSIDE], count;
};

struct inside {
	struct analysis *a;
	const struct heap *heap;
	const struct progress *progress;
	struct way way[WAYS];
	uint32_t ways;
	/* a group's own, where an object holds it; else those that others have */
	struct crowd crowd[CROWDS];
	uint32_t crowds;
};

/* The largest child that keeps enough, and that the node itself refers to. */
static int inside_next(struct inside *in, uint32_t node, uint64_t least, uint32_t *ret)
{
	struct heap_span children;
	int err = analysis_children(in->a, node, in->progress, &children);

	*ret = HEAP_NONE;
	if (err || !children.count)
		return err;
	const uint32_t child = children.target[0];
	if (child < in->heap->objects && analysis_retained(in->a, child) >= least &&
	    heap_slot(in->heap, node, child) != HEAP_NONE)
		*ret = child;
	return 0;
}

static int inside_add(struct inside *in, uint32_t member)
{
	const uint64_t least =
		(uint64_t)(KEPT_RATIO * (double)analysis_retained(in->a, member));
	struct way *way = &in->way[in->ways++];
	uint32_t node = member;
	int err = 0;

	assert(in->ways <= WAYS);
	way->count = 0;
	while (node != HEAP_NONE && way->count < SUSPECT_INSIDE && !err) {
		way->node[way->count++] = node;
		err = inside_next(in, node, least, &node);
	}
	return err;
}

/* ---- the members ---- */

static bool inside_is_held_group(const struct inside *in, const struct suspect *s)
{
	return s->group && !s->frames && !s->by_variable && s->memory == SUSPECT_HELD &&
		s->point < in->heap->objects;
}

static int inside_find_crowds(struct inside *in, const struct vec *suspects,
			      const struct suspect *s)
{
	const struct suspect *other = suspects->data;
	int err = 0;

	if (inside_is_held_group(in, s))
		return crowd_begin(&in->crowd[in->crowds++], in->a, s->point);
	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect) && !err && s->group &&
	     s->point == HEAP_NONE && in->crowds < CROWDS;
	     i++)
		if (inside_is_held_group(in, &other[i]) &&
		    other[i].member_type == s->member_type)
			err = crowd_begin(&in->crowd[in->crowds++], in->a,
					  other[i].point);
	return err;
}

/* Whether the crowds leave a node to the group. */
static bool inside_in_crowd(const struct inside *in, const struct suspect *s,
			    uint32_t node)
{
	for (uint32_t i = 0; i < in->crowds; i++)
		if (crowd_has(&in->crowd[i], node))
			return s->point != HEAP_NONE;
	return !in->crowds || s->point == HEAP_NONE;
}

static bool inside_is_member(const struct inside *in, const struct suspect *s,
			     uint32_t node)
{
	const uint32_t above = analysis_idom(in->a, node);

	if (heap_namesake_of(in->heap, node) != s->member_type)
		return false;
	if (s->by_variable)
		return above < in->heap->objects &&
			context_var_of(in->heap, above, node) == s->variable;
	return s->group && suspect_member_is(in->a, s->point, node) &&
		inside_in_crowd(in, s, node);
}

/* Of a point's children, heaviest first, how many are suspects themselves. */
static uint64_t inside_before(const struct inside *in, const struct suspect *s,
			      struct heap_span children)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < children.count; i++)
		all += children.target[i] < in->heap->objects &&
			heap_namesake_of(in->heap, children.target[i]) == s->member_type;
	return s->holder == HEAP_NONE && all > s->member_count ? all - s->member_count :
								 0;
}

/* Of a point, its children; else the objects of that type that belong to it. */
static int inside_sample(struct inside *in, const struct suspect *s)
{
	const bool below = !s->group && !s->by_variable;
	struct heap_span all = { .count = in->heap->objects };
	const uint64_t stride = s->member_count / WAYS + 1;
	uint64_t seen = 0, before = 0;
	int err = 0;

	if (below)
		err = analysis_children(in->a, s->point, in->progress, &all);
	if (below && !err)
		before = inside_before(in, s, all);
	for (uint32_t i = 0; i < all.count && in->ways < WAYS && !err; i++) {
		const uint32_t node = below ? all.target[i] : i;

		if (i % PROGRESS_EVERY == 0)
			err = progress_step(in->progress, "members", i, all.count);
		if (below ? node < in->heap->objects &&
				    heap_namesake_of(in->heap, node) == s->member_type :
			    inside_is_member(in, s, node))
			if (seen++ >= before && (seen - before - 1) % stride == 0 && !err)
				err = inside_add(in, node);
	}
	return err;
}

/* ---- what they have in common ---- */

/* How many steps of a way enough of the others have, too, by the types they lead to. */
static uint32_t inside_common(const struct inside *in, const struct way *way)
{
	uint32_t alike[SUSPECT_INSIDE] = { 0 }, depth = 0;

	for (uint32_t i = 0; i < in->ways; i++)
		for (uint32_t k = 0; k < way->count && k < in->way[i].count &&
		     heap_namesake_of(in->heap, way->node[k]) ==
			     heap_namesake_of(in->heap, in->way[i].node[k]);
		     k++)
			alike[k]++;
	while (depth < way->count &&
	       (double)alike[depth] >= ALIKE_RATIO * (double)in->ways)
		depth++;
	return depth;
}

/* A way that ends with an object's __dict__ says nothing of what is in it. */
static uint32_t inside_trim(const struct inside *in, const struct way *way,
			    uint32_t depth)
{
	const uint32_t *node = way->node;
	struct heap_label label;

	while (depth > 1) {
		heap_label(in->heap, node[depth - 2],
			   heap_slot(in->heap, node[depth - 2], node[depth - 1]), &label);
		if (label.kind != SNAP_LABEL_DICT)
			break;
		depth--;
	}
	return depth;
}

static void inside_choose(const struct inside *in, struct suspect *s)
{
	for (uint32_t i = 0; i < in->ways; i++) {
		const struct way *way = &in->way[i];
		const uint32_t depth = inside_trim(in, way, inside_common(in, way));

		if (depth <= s->inside_steps || depth < 2)
			continue;
		s->inside_steps = depth;
		memcpy(s->inside, way->node, depth * sizeof(s->inside[0]));
	}
}

/* ---- what the containers are full of ---- */

/* Of one type: in one container, which alone keeps them; in those that it fills, and most
 * and least in one of these. */
struct contents {
	uint64_t retained, number;
	uint64_t all, containers, most, least;
};

static void inside_add_contents(struct contents *c)
{
	if (!c->containers || c->number > c->most)
		c->most = c->number;
	if (!c->containers || c->number < c->least)
		c->least = c->number;
	c->all += c->number;
	c->containers++;
}

static int inside_count_contents(struct inside *in, uint32_t node, struct contents *of)
{
	const double least = FULL_RATIO * (double)analysis_retained(in->a, node);
	const struct heap *heap = in->heap;
	struct heap_span children;
	const int err = analysis_children(in->a, node, in->progress, &children);

	for (uint32_t i = 0; !err && i < children.count; i++)
		if (children.target[i] < heap->objects) {
			const uint32_t child = children.target[i];
			struct contents *c = &of[heap_namesake_of(heap, child)];

			c->retained += analysis_retained(in->a, child);
			c->number++;
		}
	for (uint32_t i = 0; !err && i < children.count; i++)
		if (children.target[i] < heap->objects) {
			struct contents *c =
				&of[heap_namesake_of(heap, children.target[i])];

			if (c->number && (double)c->retained >= least)
				inside_add_contents(c);
			c->retained = c->number = 0;
		}
	return err;
}

static void inside_choose_contents(const struct inside *in, const struct contents *of,
				   struct suspect *s)
{
	uint32_t most = 1;

	for (uint32_t t = 1; t <= in->heap->types; t++)
		if (of[t].containers > of[most].containers)
			most = t;
	const uint64_t containers = of[most].containers, all = of[most].all;
	if (!containers || (double)containers < ALIKE_RATIO * (double)in->ways ||
	    all < FULL_COUNT * containers)
		return;
	s->content_type = most;
	s->content_each = (uint32_t)((all + containers / 2) / containers);
	s->content_exact =
		of[most].most == of[most].least && s->member_count == containers;
}

static int inside_find_contents(struct inside *in, struct suspect *s)
{
	const uint32_t end = s->inside_steps ? s->inside_steps - 1 : 0;
	struct vec by_type = { 0 };
	int err = vec_alloc(&by_type,
			    ((size_t)in->heap->types + 1) * sizeof(struct contents));

	for (uint32_t i = 0; i < in->ways && !err; i++) {
		const struct way *way = &in->way[i];

		if (way->count > end && way->node[end] < in->heap->objects &&
		    heap_kind_is_container(heap_kind(in->heap, way->node[end])))
			err = inside_count_contents(in, way->node[end], by_type.data);
	}
	if (!err)
		inside_choose_contents(in, by_type.data, s);
	vec_free(&by_type);
	return err;
}

static bool inside_may_be(const struct heap *heap, const struct suspect *s)
{
	return s->memory == SUSPECT_HELD && !s->chain && !s->tree &&
		s->member_count > 1 && s->member_type &&
		(s->group || s->by_variable || s->point < heap->objects);
}

int inside_of_suspects(struct analysis *analysis, const struct progress *progress,
		       struct vec *suspects)
{
	struct suspect *s = suspects->data;
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(*suspects, struct suspect) && !err; i++) {
		struct inside in = { .a = analysis,
				     .heap = analysis->heap,
				     .progress = progress };

		if (!inside_may_be(analysis->heap, &s[i]))
			continue;
		err = inside_find_crowds(&in, suspects, &s[i]);
		if (!err)
			err = inside_sample(&in, &s[i]);
		for (uint32_t k = 0; k < in.crowds; k++)
			crowd_end(&in.crowd[k]);
		if (!err) {
			inside_choose(&in, &s[i]);
			err = inside_find_contents(&in, &s[i]);
		}
	}
	return err;
}
