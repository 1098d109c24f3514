/* SPDX-License-Identifier: MIT */
/*
 * mimalloc_library - libmimalloc as the process's malloc: its blocks and free memory, by
 * the segments of all its threads, living or not (core/mimalloc.h).  What of a page or of
 * free slices isn't in memory isn't counted as free.
 */
#include "agent/heap/memory/mimalloc_library.h"

#include "agent/heap/core/mimalloc.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/malloc_figures.h"

/* Bytes of it in memory; what can't be accessed (not committed yet) is not. */
static uint64_t mimalloc_library_here(struct walk *w, const struct mimalloc_span *span)
{
	const struct walk_range *r = ranges_of(w, span->start);
	uint64_t sum = 0;

	for (; r && r < w->ranges + w->nranges && r->start < span->end; r++) {
		const uint64_t from = r->start > span->start ? r->start : span->start;
		const uint64_t to = r->end < span->end ? r->end : span->end;

		if (from < to && (r->perms & 3) == 3)
			sum += r->scanned ? pages_present_bytes(&w->pages, from, to) :
					    to - from;
	}
	return sum;
}

static void mimalloc_library_span(struct walk *w, const struct mimalloc_span *span,
				  void *arg)
{
	struct malloc_figures *m = arg;
	const uint64_t here = mimalloc_library_here(w, span),
		       used = span->live * span->block;

	if (!span->is_page) {
		*(span->own ? &m->own_bytes : &m->idle_bytes) += here;
		return;
	}
	m->used += span->live;
	m->used_bytes += used;
	m->free_bytes += here > used ? here - used : 0;
	malloc_figures_add(m, span->block, span->live, span->blocks - span->live);
}

void mimalloc_library_read(struct walk *w, struct malloc_figures *m)
{
	m->used = m->used_bytes = m->free_bytes = m->idle_bytes = m->own_bytes = 0;
	m->known = mimalloc_of_library(w, mimalloc_library_span, m);
}
