/* SPDX-License-Identifier: MIT */
/* shared - see shared.h. */
#include "agent/heap/memory/shared.h"

#include "agent/heap/core/events.h"

/* The shared pages of [at, end), as runs; returns their bytes. */
static uint64_t shared_emit_range(struct walk *w, uint64_t at, uint64_t end)
{
	const struct pages *pages = w->options->forked;
	uint64_t bytes = 0;

	while (!w->err && (at = pages_next_present(pages, at, end)) < end) {
		const uint64_t stop = pages_next_absent(pages, at, end);
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
			bytes += shared_emit_range(w, w->ranges[i].start,
						   w->ranges[i].end);
	events_fact_u64(w, "shared.known", 1);
	events_fact_u64(w, "shared.bytes", bytes);
}
