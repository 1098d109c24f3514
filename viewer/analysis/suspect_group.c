/* SPDX-License-Identifier: MIT */
/*
 * suspect_group - tops by type and by what holds them (suspect_group.h).
 *
 * Of those that objects hold the deepest node on most shortest paths is the holder, and
 * the group is what that one has (crowd.h); the rest is tried again, as it may have
 * another.
 */
#include "viewer/analysis/suspect_group.h"

#include <errno.h>

#include "viewer/analysis/crowd.h"
#include "viewer/analysis/holder.h"
#include "viewer/analysis/suspect_member.h"

enum {
	SAMPLES = 10000,
	MANY_MODULES = 100 /* that nothing else holds: made while the program runs */
};

#define ALONE_RATIO 0.7

struct group {
	uint64_t retained, count;
	uint32_t type, largest;
	enum held held;
};

static bool suspect_group_has(const struct finder *f, const struct top_node *top,
			      const struct group *g)
{
	return !top->taken && !top->alone &&
		heap_namesake_of(f->heap, top->node) == g->type &&
		suspect_member_held(f->a, top->node) == g->held;
}

static void suspect_group_count(const struct finder *f, struct group *g, uint32_t node)
{
	const uint64_t retained = weight_of(&f->weights, node);

	if (!g->count || retained > weight_of(&f->weights, g->largest))
		g->largest = node;
	g->count++;
	g->retained += retained;
}

/* Deepest node on most paths of the group's members. */
static int suspect_group_holder(const struct finder *f, const struct group *g,
				uint32_t *ret)
{
	const struct top_node *tops = f->tops.data;
	const uint64_t stride = g->count / SAMPLES + 1;
	struct sample sample = { 0 };
	uint64_t n = 0;
	int err = sample_begin(&sample);

	for (size_t i = 0; i < VEC_COUNT(f->tops, struct top_node) && !err; i++)
		if (suspect_group_has(f, &tops[i], g) && n++ % stride == 0 &&
		    !sample_add(f->a, &sample, tops[i].node))
			break;
	if (!err)
		*ret = sample_deepest(f->a, &sample);
	sample_end(&sample);
	return err;
}

/* Takes the members that the holder has, and leaves the others in *rest.  A large module
 * is none of many: what it has is looked for later, below its own name. */
static int suspect_group_take(struct finder *f, struct group *g, uint32_t holder,
			      struct group *rest)
{
	struct top_node *tops = f->tops.data;
	struct group taken = { .type = g->type, .held = g->held };
	struct crowd crowd = { 0 };
	const bool all = holder >= f->heap->objects,
		   modules = holder == heap_group(f->heap, HEAP_SYNTH_MODULES);
	int err = all ? 0 : crowd_begin(&crowd, f->a, holder);

	*rest = taken;
	for (size_t i = 0; i < VEC_COUNT(f->tops, struct top_node) && !err; i++) {
		if (!suspect_group_has(f, &tops[i], g) ||
		    (modules && weight_of(&f->weights, tops[i].node) >= f->minor))
			continue;
		tops[i].taken = all || crowd_has(&crowd, tops[i].node);
		suspect_group_count(f, tops[i].taken ? &taken : rest, tops[i].node);
	}
	crowd_end(&crowd);
	*g = taken;
	return err;
}

/* What holds a group's members; HEAP_NONE: nothing in common. */
static int suspect_group_find_point(const struct finder *f, const struct group *g,
				    uint32_t *ret)
{
	int err = 0;

	*ret = HEAP_NONE;
	if (g->held == HELD_BY_OBJECT)
		err = suspect_group_holder(f, g, ret);
	else
		*ret = heap_group(f->heap, suspect_member_holder(g->held));
	if (*ret == HEAP_NONE && g->count >= MANY_MODULES &&
	    g->retained >= f->threshold &&
	    heap_type(f->heap, g->type)->kind == SNAP_KIND_MODULE)
		*ret = heap_group(f->heap, HEAP_SYNTH_MODULES);
	return err;
}

/* Adds a group, and leaves in *g what of it isn't its holder's. */
static int suspect_group_add(struct finder *f, struct group *g)
{
	struct suspect s = { .group = true, .holder = HEAP_NONE };
	struct group rest = { 0 };
	int err = suspect_group_find_point(f, g, &s.point);

	if (!err && s.point != HEAP_NONE)
		err = suspect_group_take(f, g, s.point, &rest);
	else if (g->retained < f->threshold)
		g->count = 0;
	s.top = g->largest;
	s.member_type = g->type;
	s.member_count = g->count;
	s.retained = s.member_retained = g->retained;
	*g = rest;
	if (err || !s.member_count)
		return err;
	return vec_append(f->ret, &s, sizeof(s));
}

/* One that has nearly all is none of many: it is looked into by itself. */
static void suspect_group_leave_alone(struct finder *f, struct group *g)
{
	struct top_node *tops = f->tops.data;
	const uint64_t most = g->count ? weight_of(&f->weights, g->largest) : 0;
	const uint32_t alone = g->largest;

	if (g->held != HELD_BY_OBJECT || most < f->minor ||
	    (double)most < ALONE_RATIO * (double)g->retained)
		return;
	g->count = g->retained = 0;
	for (size_t i = 0; i < VEC_COUNT(f->tops, struct top_node); i++) {
		tops[i].alone |= tops[i].node == alone;
		if (suspect_group_has(f, &tops[i], g))
			suspect_group_count(f, g, tops[i].node);
	}
}

int suspect_group_find(struct finder *f)
{
	const struct top_node *tops = f->tops.data;
	struct vec groups = { 0 };
	size_t count = ((size_t)f->heap->types + 1) * HELDS;
	int err = vec_alloc(&groups, count * sizeof(struct group));

	if (err)
		return err;
	struct group *g = groups.data;
	for (size_t i = 0; i < VEC_COUNT(f->tops, struct top_node); i++) {
		enum held held = suspect_member_held(f->a, tops[i].node);
		uint32_t type = heap_namesake_of(f->heap, tops[i].node);
		struct group *at = &g[(size_t)type * HELDS + held];

		if (tops[i].taken)
			continue;
		at->type = type;
		at->held = held;
		suspect_group_count(f, at, tops[i].node);
	}
	for (size_t i = HELDS; i < count; i++)
		suspect_group_leave_alone(f, &g[i]);
	for (size_t i = HELDS; i < count && !err; i++)
		while (!err && g[i].count > 1 && g[i].retained >= f->minor)
			err = suspect_group_add(f, &g[i]);
	vec_free(&groups);
	return err;
}
