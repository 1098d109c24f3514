/* SPDX-License-Identifier: MIT */
/* absent - see absent.h. */
#include "agent/heap/memory/absent.h"

#include "agent/base/page.h"
#include "agent/heap/core/events.h"

#define ABSENT_LEAST (64u << 10) /* bytes of a gap that is told */

/* The gaps of [at, end), which was scanned; returns their bytes. */
static uint64_t absent_emit_range(struct walk *w, uint64_t at, uint64_t end)
{
	uint64_t bytes = 0;

	while (at < end && !w->err) {
		const uint64_t out = pages_next_out(&w->pages, at, end);
		const uint64_t stop = pages_next_present(&w->pages, at, out);
		const struct snap_absent event = { .start = at, .length = stop - at };

		if (event.length >= ABSENT_LEAST) {
			bytes += event.length;
			EVENTS_SEND(w, absent, &event);
		}
		for (at = stop; at < end && pages_state(&w->pages, at) != PAGES_ABSENT;)
			at += page_size();
	}
	return bytes;
}

void absent_emit(struct walk *w)
{
	bool known = w->options->in_copy;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *const r = &w->ranges[i];

		if ((r->perms & 11) != 3 || r->file || r->image)
			continue;
		known &= r->scanned;
		if (known)
			bytes += absent_emit_range(w, r->start, r->end);
	}
	events_fact_u64(w, "absent.known", known);
	events_fact_u64(w, "absent.bytes", bytes);
}
