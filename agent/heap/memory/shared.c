/* SPDX-License-Identifier: MIT */
/* shared - see shared.h. */
#include "agent/heap/memory/shared.h"

#include "agent/heap/core/events.h"

/* The shared pages of a range, as runs; returns their bytes.  What isn't there is the
 * page of zeros, where the kernel didn't tell that before. */
static uint64_t shared_emit_range(struct walk *w, const struct walk_range *r)
{
	const struct pages *pages = w->options->forked;
	uint64_t at = r->start, end = r->end, bytes = 0;

	while (!w->err && (at = pages_next_present(pages, at, end)) < end) {
		uint64_t stop = pages_next_absent(pages, at, end);

		if (r->scanned) {
			at = pages_next_present(&w->pages, at, stop);
			stop = pages_next_absent(&w->pages, at, stop);
		}
		if (at == stop)
			continue;
		const struct snap_shared event = { .start = at, .length = stop - at };

		bytes += event.length;
		EVENTS_SEND(w, shared, &event);
		at = stop;
	}
	return bytes;
}

void shared_emit(struct walk *w)
{
	uint64_t bytes = 0;

	if (!w->options->forked) {
		events_fact_u64(w, "shared.known", 0);
		return;
	}
	for (uint32_t i = 0; i < w->nranges && !w->err; i++)
		if ((w->ranges[i].perms & 11) == 3)
			bytes += shared_emit_range(w, &w->ranges[i]);
	events_fact_u64(w, "shared.known", 1);
	events_fact_u64(w, "shared.bytes", bytes);
}
