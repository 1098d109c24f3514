/* SPDX-License-Identifier: MIT */
/* malloc_stats - the figures of glibc's malloc, and its larger blocks: allocators.h. */
#include "agent/heap/core/events.h"
#include "agent/heap/memory/allocators.h"
#include "agent/heap/memory/foreign_malloc.h"
#include "agent/heap/memory/malloc_pieces.h"
#include "agent/heap/memory/memory.h"

enum { VISIT_MIN = 512 }; /* smaller ones are pymalloc's */

struct malloc_stats_visit {
	allocators_visit_fn *visit;
	void *arg;
};

static void malloc_stats_block(struct walk *w, void *arg, uint64_t chunk, uint64_t size)
{
	const struct malloc_stats_visit *v = arg;
	/* a mapped chunk has no successor that lends it 8 bytes */
	const bool mapped = peek64(chunk + 8) & MALLOC_IS_MMAPPED;

	if (size >= VISIT_MIN)
		v->visit(w, v->arg, chunk + MALLOC_HEAD,
			 size - (mapped ? MALLOC_HEAD : 8), 1);
}

void malloc_blocks(struct walk *w, allocators_visit_fn *visit, void *arg)
{
	struct malloc_stats_visit v = { visit, arg };

	malloc_pieces_visit(w, malloc_stats_block, &v);
}

void malloc_facts(struct walk *w)
{
	const struct malloc_pieces *p;

	if (foreign_malloc_facts(w))
		return;
	p = malloc_pieces_find(w);
	events_fact_u64(w, "malloc.known", p && p->main_known);
	if (!p)
		return;
	events_fact_u64(w, "malloc.mapped_chunks", p->mapped);
	events_fact_u64(w, "malloc.mapped_bytes", p->mapped_bytes);
	if (!p->main_known)
		return;
	events_fact_u64(w, "malloc.arenas", p->arenas + 1);
	events_fact_u64(w, "malloc.used_chunks", p->used);
	events_fact_u64(w, "malloc.used_bytes", p->used_bytes);
	events_fact_u64(w, "malloc.free_chunks", p->free);
	events_fact_u64(w, "malloc.free_bytes", p->free_bytes);
	events_fact_u64(w, "malloc.top_bytes", p->top_bytes);
}
