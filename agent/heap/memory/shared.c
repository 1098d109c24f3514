/* SPDX-License-Identifier: MIT */
/* shared - see shared.h. */
#include "agent/heap/memory/shared.h"

#include "agent/base/page.h"
#include "agent/base/peek.h"
#include "agent/heap/core/events.h"

/* Whether a page may be the kernel's page of zeros, which many processes have by reading
 * memory before it is written: no object lies in such a one. */
static bool shared_is_zero(uint64_t page)
{
	uint64_t words[64];

	for (uint64_t at = page; at < page + page_size(); at += sizeof(words)) {
		if (!peek_safe(at, words, sizeof(words)))
			return false;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (words[i])
				return false;
		}
	}
	return true;
}

/* The first page from at on that isn't one of those that are told together. */
static uint64_t shared_end(const struct pages *pages, uint64_t at, uint64_t end)
{
	const uint64_t stop = pages_next_absent(pages, at, end);

	while (pages->zeros && at < stop && !shared_is_zero(at))
		at += page_size();
	return pages->zeros ? at : stop;
}

/* The shared pages of [at, end), as runs; returns their bytes. */
static uint64_t shared_emit_range(struct walk *w, uint64_t at, uint64_t end)
{
	const struct pages *pages = w->options->forked;
	uint64_t bytes = 0;

	while (!w->err && (at = pages_next_present(pages, at, end)) < end) {
		const uint64_t stop = shared_end(pages, at, end);
		const struct snap_shared event = { .start = at, .length = stop - at };

		bytes += event.length;
		if (event.length)
			EVENTS_SEND(w, shared, &event);
		at = stop + (event.length ? 0 : page_size());
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
