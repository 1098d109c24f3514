/* SPDX-License-Identifier: MIT */
/* mimalloc_facts - see allocators.h. */
#include "agent/heap/core/events.h"
#include "agent/heap/core/mimalloc.h"
#include "agent/heap/memory/allocators.h"

struct mimalloc_sums {
	uint64_t pages, used, used_bytes, unused, unused_bytes;
};

static void mimalloc_facts_page(struct walk *w, const struct mimalloc_page *page,
				void *arg)
{
	struct mimalloc_sums *sums = arg;
	const uint64_t used = mimalloc_blocks(w, page, NULL, NULL);

	sums->pages++;
	sums->used += used;
	sums->used_bytes += used * page->block;
	sums->unused += page->blocks - used;
	sums->unused_bytes += (page->blocks - used) * page->block;
}

void mimalloc_facts(struct walk *w)
{
	struct mimalloc_sums sums = { 0 };

	if (!mimalloc_segments(w)) {
		events_fact_text(w, "mimalloc.note", "not found", 9);
		return;
	}
	mimalloc_pages(w, mimalloc_facts_page, &sums);
	events_fact_u64(w, "mimalloc.segments", mimalloc_segments(w));
	events_fact_u64(w, "mimalloc.pages", sums.pages);
	events_fact_u64(w, "mimalloc.used_blocks", sums.used);
	events_fact_u64(w, "mimalloc.used_bytes", sums.used_bytes);
	events_fact_u64(w, "mimalloc.free_blocks", sums.unused);
	events_fact_u64(w, "mimalloc.free_bytes", sums.unused_bytes);
}
