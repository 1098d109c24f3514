/* SPDX-License-Identifier: MIT */
/* data_stack - see data_stack.h. */
#include "agent/heap/frames/data_stack.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/interps.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/frames/frames.h"

enum {
	CHUNK_LEAST = 1024,
	CHUNKS_MAX = 1 << 22, /* of a thread: 64 GiB */
	TSTATE_HEAD = 16      /* the first words of a thread state link it to others */
};

bool data_stack_at(struct walk *w, uint64_t at, struct data_stack *ret)
{
	if (!ranges_readable(w, at, 24))
		return false;
	const uint64_t chunk = peek64(at), top = peek64(at + 8), limit = peek64(at + 16);

	if (!peek_plausible(chunk) || (chunk & 7) || top <= chunk || top > limit ||
	    (top & 7) || !ranges_readable(w, chunk, DATA_STACK_HEAD))
		return false;
	const uint64_t size = peek64(chunk + 8);

	*ret = (struct data_stack){ chunk, top };
	return size >= CHUNK_LEAST && size < 1ull << 32 && chunk + size == limit &&
		ranges_readable(w, chunk, size);
}

bool data_stack_previous(struct walk *w, struct data_stack *stack)
{
	const uint64_t chunk = peek64(stack->chunk);

	if (!chunk || !ranges_readable(w, chunk, DATA_STACK_HEAD))
		return false;
	const uint64_t size = peek64(chunk + 8), used = peek64(chunk + 16);

	if (size < CHUNK_LEAST || used > (size - DATA_STACK_HEAD) / 8 ||
	    !ranges_readable(w, chunk, size))
		return false;
	*stack = (struct data_stack){ chunk, chunk + DATA_STACK_HEAD + 8 * used };
	return true;
}

uint64_t data_stack_resident(struct walk *w, const struct data_stack *stack)
{
	const uint64_t size = peek64(stack->chunk + 8), end = stack->chunk + size;
	uint64_t resident = 0;

	for (uint64_t at = stack->chunk; at < end;) {
		const struct walk_range *const r = ranges_of(w, at);

		if (!r || !r->scanned)
			return size;
		const uint64_t to = r->end < end ? r->end : end;

		resident += pages_present_bytes(&w->pages, at, to);
		at = to;
	}
	return resident < size ? resident : size;
}

static uint64_t data_stack_of_thread(struct walk *w, uint64_t tstate, uint64_t *chunks)
{
	const struct frame_layout *const lay = w->py->frames;
	struct data_stack stack;
	uint64_t bytes = 0;

	for (uint64_t at = TSTATE_HEAD; at + 24 <= lay->ts_size; at += 8) {
		if (!data_stack_at(w, tstate + at, &stack))
			continue;
		for (uint32_t n = 0; n < CHUNKS_MAX; n++) {
			bytes += data_stack_resident(w, &stack);
			++*chunks;
			if (!data_stack_previous(w, &stack))
				break;
		}
		break;
	}
	return bytes;
}

void data_stack_facts(struct walk *w)
{
	const struct interps *const interps = w->interps;
	uint64_t bytes = 0, chunks = 0;

	if (!w->py->frames || w->py->frames->frame_is_object || !interps)
		return;
	for (uint32_t i = 0; i < interps->tstate_count && !w->err; i++)
		if (ranges_readable(w, interps->tstates[i], w->py->frames->ts_size))
			bytes += data_stack_of_thread(w, interps->tstates[i], &chunks);
	events_fact_u64(w, "frames.stack_bytes", bytes);
	events_fact_u64(w, "frames.stack_chunks", chunks);
}
