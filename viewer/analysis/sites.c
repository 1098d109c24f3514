/* SPDX-License-Identifier: MIT */
/*
 * sites - see sites.h.
 *
 * Objects and traces are in order of addresses: one pass over both finds the place of
 * each object.  What a place retains is summed over those of its objects that no other
 * of its objects dominates, in one walk down the dominator tree.
 */
#include "viewer/analysis/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/model/site.h"

struct sites_step {
	uint32_t node, next; /* next child */
};

struct sites_maker {
	struct sites *sites;
	struct analysis *analysis;
	struct vec of_site;   /* u32 per site: its place; [0] unused */
	struct vec of_object; /* u32 per object: its place + 1, 0: none */
	struct vec asked;     /* u64 per site: bytes */
	struct vec open;      /* u32 per place: its objects that we are below */
};

static struct sites_place *sites_at(const struct sites_maker *m, uint32_t place)
{
	return VEC(m->sites->place, struct sites_place) + place;
}

/* ---- places ---- */

static int sites_by_line(const void *a, const void *b, void *arg)
{
	const struct heap *heap = arg;
	const struct snap_site *x = site_at(heap, *(const uint32_t *)a),
			       *y = site_at(heap, *(const uint32_t *)b);

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static int sites_find_places(struct sites_maker *m)
{
	const struct heap *heap = m->analysis->heap;
	const uint32_t count = site_count(heap);
	uint32_t *id = malloc(((size_t)count + 1) * sizeof(*id));
	int err = id ? vec_alloc(&m->of_site, ((size_t)count + 1) * 4) : -ENOMEM;

	for (uint32_t i = 0; i < count && !err; i++)
		id[i] = i + 1;
	if (count && !err)
		qsort_r(id, count, sizeof(*id), sites_by_line,
			(struct heap *)(uintptr_t)heap);
	for (uint32_t i = 0; i < count && !err; i++) {
		const struct snap_site *s = site_at(heap, id[i]);
		const struct sites_place place = { .file = s->file,
						   .line = s->line,
						   .node = HEAP_NONE };

		if (!i || sites_by_line(&id[i - 1], &id[i], (void *)(uintptr_t)heap))
			err = vec_append(&m->sites->place, &place, sizeof(place));
		VEC(m->of_site, uint32_t)[id[i]] = (uint32_t)sites_count(m->sites) - 1;
	}
	free(id);
	return err;
}

/* ---- blocks ---- */

static int sites_add_blocks(struct sites_maker *m)
{
	const struct heap *heap = m->analysis->heap;
	const struct snap_trace *t = heap->trace.data;
	uint64_t *asked;

	if (vec_alloc(&m->asked, ((size_t)site_count(heap) + 1) * sizeof(uint64_t)))
		return -ENOMEM;
	asked = m->asked.data;
	for (size_t i = 0; i < VEC_COUNT(heap->trace, struct snap_trace); i++)
		if (t[i].site) {
			struct sites_place *p =
				sites_at(m, VEC(m->of_site, uint32_t)[t[i].site]);

			p->blocks++;
			p->allocated += t[i].size;
			asked[t[i].site] += t[i].size;
		}
	for (uint32_t s = 1; s <= site_count(heap); s++) {
		struct sites_place *p = sites_at(m, VEC(m->of_site, uint32_t)[s]);

		if (asked[s] && (!p->site || asked[s] > p->site_allocated)) {
			p->site = s;
			p->site_allocated = asked[s];
		}
	}
	return 0;
}

/* ---- objects ---- */

static int sites_place_objects(struct sites_maker *m)
{
	const struct heap *heap = m->analysis->heap;
	const struct snap_trace *t = heap->trace.data;
	const size_t count = VEC_COUNT(heap->trace, struct snap_trace);
	size_t i = 0; /* the first block that begins beyond the object's address */

	if (vec_alloc(&m->of_object, (size_t)heap->objects * 4))
		return -ENOMEM;
	for (uint32_t o = 0; o < heap->objects; o++) {
		const uint64_t address = heap_address(heap, o);

		while (i < count && !t[i].domain && t[i].addr <= address)
			i++;
		if (i && t[i - 1].site && address - t[i - 1].addr < t[i - 1].size) {
			VEC(m->of_object, uint32_t)
			[o] = VEC(m->of_site, uint32_t)[t[i - 1].site] + 1;
			continue;
		}
		m->sites->unknown_objects++;
		m->sites->unknown_size += heap_size(heap, o);
	}
	return 0;
}

/* The place of a node + 1; 0: it has none. */
static uint32_t sites_place_of(const struct sites_maker *m, uint32_t node)
{
	return node < m->analysis->heap->objects ? VEC(m->of_object, uint32_t)[node] : 0;
}

static void sites_enter(struct sites_maker *m, uint32_t node)
{
	const struct analysis *a = m->analysis;
	const uint32_t place = sites_place_of(m, node);
	struct sites_place *p;

	if (!place)
		return;
	p = sites_at(m, place - 1);
	p->objects++;
	p->size += heap_size(a->heap, node);
	if (p->node == HEAP_NONE ||
	    analysis_retained(a, node) > analysis_retained(a, p->node))
		p->node = node;
	if (VEC(m->open, uint32_t)[place - 1]++ == 0)
		p->retained += analysis_retained(a, node);
}

static int sites_walk(struct sites_maker *m, const struct progress *progress)
{
	struct analysis *a = m->analysis;
	const uint32_t *rows = a->child_row.data, *children = a->child.data;
	struct sites_step step = { heap_root(a->heap), rows[heap_root(a->heap)] };
	struct vec stack = { 0 };
	uint64_t done = 0;
	int err = vec_append(&stack, &step, sizeof(step));

	while (!err && stack.size) {
		struct sites_step *top = VEC(stack, struct sites_step) +
			VEC_COUNT(stack, struct sites_step) - 1;
		uint32_t place;

		if (top->next == rows[top->node + 1]) {
			place = sites_place_of(m, top->node);
			if (place)
				VEC(m->open, uint32_t)[place - 1]--;
			stack.size -= sizeof(step);
			continue;
		}
		const uint32_t child = children[top->next++];
		step = (struct sites_step){ child, rows[child] };
		sites_enter(m, child);
		err = vec_append(&stack, &step, sizeof(step));
		if (!err && ++done % PROGRESS_EVERY == 0 &&
		    progress_step(progress, "by site", done, a->heap->nodes))
			err = -ECANCELED;
	}
	vec_free(&stack);
	return err;
}

/* ---- all of it ---- */

static int sites_compare(const void *a, const void *b)
{
	const struct sites_place *x = a, *y = b;

	if (x->allocated != y->allocated)
		return x->allocated > y->allocated ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Those that are callers only are no rows. */
static void sites_sort(struct sites *sites)
{
	struct sites_place *p = sites->place.data;
	size_t kept = 0;

	for (size_t i = 0; i < sites_count(sites); i++)
		if (p[i].blocks)
			p[kept++] = p[i];
	sites->place.size = kept * sizeof(*p);
	if (kept)
		qsort(p, kept, sizeof(*p), sites_compare);
}

int sites_build(struct sites *sites, struct analysis *analysis,
		const struct progress *progress)
{
	struct sites_maker m = { .sites = sites, .analysis = analysis };
	struct heap_span span;
	int err;

	*sites = (struct sites){ 0 };
	if (!analysis->heap->trace.size)
		return 0;
	err = analysis_children(analysis, heap_root(analysis->heap), progress, &span);
	if (!err)
		err = sites_find_places(&m);
	if (!err)
		err = sites_add_blocks(&m);
	if (!err)
		err = sites_place_objects(&m);
	if (!err)
		err = vec_alloc(&m.open, (sites_count(sites) + 1) * 4);
	if (!err)
		err = sites_walk(&m, progress);
	if (!err)
		sites_sort(sites);
	vec_free(&m.of_site);
	vec_free(&m.of_object);
	vec_free(&m.asked);
	vec_free(&m.open);
	return err;
}

void sites_free(struct sites *sites)
{
	vec_free(&sites->place);
}
