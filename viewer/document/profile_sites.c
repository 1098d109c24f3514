/* SPDX-License-Identifier: MIT */
/*
 * profile_sites - allocation sites as stacks (profile.h), where tracemalloc was tracing.
 *
 * Every site is a frame, named by its line, with the site that called it as parent; a
 * sample is what one site asked for to hold one type of objects.  A block without an
 * object (a list's items, a buffer) has no leaf.
 */
#include <errno.h>
#include <stdlib.h>

#include "viewer/document/profile.h"
#include "viewer/model/site.h"
#include "viewer/name/describe.h"

struct profile_sites {
	struct profile *p;
	const struct heap *heap;
	struct vec leaf_of; /* u32 per type: text + 1, 0 = not yet */
	struct text scratch;
};

static uint32_t profile_sites_text(struct profile_sites *m)
{
	const uint32_t n =
		intern_add(&m->p->text, text_get(&m->scratch), text_len(&m->scratch));
	const bool failed = m->scratch.err;

	text_clear(&m->scratch);
	return failed ? INTERN_FAILED : n;
}

static int profile_sites_frame(struct profile_sites *m, uint32_t parent)
{
	const struct profile_frame *all = VEC(m->p->frame, struct profile_frame);
	struct profile_frame frame = { .parent = parent };

	if (m->p->frame.size)
		frame.depth = all[parent].depth + 1;
	frame.step = profile_sites_text(m);
	if (frame.step == INTERN_FAILED)
		return -ENOMEM;
	return vec_append(&m->p->frame, &frame, sizeof(frame));
}

/* Frame 0 is the root, frame n site n; what lies too deep is its caller's. */
static int profile_sites_frames(struct profile_sites *m)
{
	int err;

	text_add(&m->scratch, "(allocations)");
	err = profile_sites_frame(m, 0);
	for (uint32_t id = 1; id <= site_count(m->heap) && !err; id++) {
		const struct snap_site *s = site_at(m->heap, id);
		const struct profile_frame *caller =
			VEC(m->p->frame, struct profile_frame) + s->caller;

		describe_line(&m->scratch, m->heap, s->file, s->line);
		err = profile_sites_frame(
			m,
			caller->depth + 2 < PROFILE_DEPTH ? s->caller : caller->parent);
	}
	return err;
}

static uint32_t profile_sites_leaf(struct profile_sites *m, uint32_t type)
{
	uint32_t *const known = &VEC(m->leaf_of, uint32_t)[type], text;

	if (*known)
		return *known - 1;
	text_add(&m->scratch, "<");
	describe_type(&m->scratch, m->heap, type);
	text_add(&m->scratch, ">");
	text = profile_sites_text(m);
	if (text != INTERN_FAILED)
		*known = text + 1;
	return text;
}

/* One block, and the objects in it: *object is the first that isn't before it. */
static int profile_sites_block(struct profile_sites *m, const struct snap_trace *t,
			       uint32_t *object)
{
	struct profile_value value = { .count = 1, .retained = t->size };
	uint32_t leaf = PROFILE_NO_LEAF;

	while (!t->domain && *object < m->heap->objects &&
	       heap_address(m->heap, *object) < t->addr)
		++*object;
	for (uint32_t o = *object; !t->domain && o < m->heap->objects &&
	     heap_address(m->heap, o) - t->addr < t->size;
	     o++) {
		value.shallow += heap_size(m->heap, o);
		if (leaf == PROFILE_NO_LEAF)
			leaf = profile_sites_leaf(m, heap_type_of(m->heap, o));
		if (leaf == INTERN_FAILED)
			return -ENOMEM;
		*object = o + 1;
	}
	return profile_add_sample(m->p, t->site, leaf, &value);
}

static int profile_sites_blocks(struct profile_sites *m, const struct progress *progress)
{
	const struct snap_trace *t = m->heap->trace.data;
	const size_t count = VEC_COUNT(m->heap->trace, struct snap_trace);
	uint32_t object = 0;
	int err = vec_alloc(&m->leaf_of, ((size_t)m->heap->types + 1) * 4);

	for (size_t i = 0; i < count && !err; i++) {
		err = profile_sites_block(m, &t[i], &object);
		if (!err && i % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "allocation sites", i, count))
			err = -ECANCELED;
	}
	vec_free(&m->p->slot);
	return err;
}

int profile_sites_make(struct analysis *analysis, const struct progress *progress,
		       struct profile *ret)
{
	struct profile_sites m = { .p = ret, .heap = analysis->heap };
	int err;

	*ret = (struct profile){ .analysis = analysis, .of = PROFILE_OF_SITES };
	if (!m.heap->trace.size)
		return -ENODATA;
	err = profile_sites_frames(&m);
	if (!err)
		err = profile_sites_blocks(&m, progress);
	if (!err)
		err = profile_sort(ret);
	vec_free(&m.leaf_of);
	text_free(&m.scratch);
	return err;
}
