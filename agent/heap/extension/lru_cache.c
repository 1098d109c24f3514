/* SPDX-License-Identifier: MIT */
/*
 * lru_cache - functools.lru_cache: the wrapper's ring of elements owns each of them,
 * and each owns its key and result (python/names_table.c); the wrapper's tp_traverse
 * tells of these as its own.  The wrapper begins with the ring's root, an element
 * itself: {head, prev, next, ...} (_functoolsmodule.c).
 */
#include "agent/heap/extension/lru_cache.h"

#include <string.h>

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/references.h"
#include "agent/heap/object/edges.h"
#include "agent/heap/object/names.h"

static uint32_t lru_cache_links(struct walk *w, uint64_t obj, bool contents)
{
	uint32_t head = w->lay->head, n = 0;
	uint64_t link = peek64(obj + head + 8), before = obj;

	for (; link && link != obj && ranges_readable(w, link, head + 40u) &&
	     peek64(link + head) == before && !w->err;
	     n++) {
		references_add(w, link);
		if (contents) {
			references_add(w, peek64(link + head + 24));
			references_add(w, peek64(link + head + 32));
			references_add(w, object_type(w->lay, link));
		}
		before = link;
		link = peek64(link + head + 8);
	}
	return n;
}

static uint32_t lru_cache_edges(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint32_t shape = edges_own(w, type, obj), known = w->nrefs, links, rest;

	links = lru_cache_links(w, obj, true);
	rest = w->nrefs;
	references_traverse(w, type, obj);
	names_claim(w, type, obj, 0, rest);
	if (w->err)
		return shape;
	for (uint32_t i = 0; i < links; i++) /* drops what the elements own */
		w->refs[known + i] = w->refs[known + 4 * i];
	memmove(&w->refs[known + links], &w->refs[rest],
		(w->nrefs - rest) * sizeof(w->refs[0]));
	w->nrefs -= rest - known - links;
	return shape;
}

static void lru_cache_plan(struct walk *w, struct walk_type *type)
{
	if (w->lay->lru_ring && type->special_base == type->addr)
		type->edges = lru_cache_edges;
}

const struct specialist lru_cache_specialists[] = {
	{ .name = "functools._lru_cache_wrapper", .plan = lru_cache_plan },
	{ .name = NULL },
};
