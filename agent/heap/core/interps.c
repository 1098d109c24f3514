/* SPDX-License-Identifier: MIT */
/* interps - see interps.h. */
#include "agent/heap/core/interps.h"

#include "agent/heap/core/ranges.h"
#include "agent/python/interpreters.h"

enum { INTERPS_THREADS_MAX = 1 << 20 };

/* Counts the thread states, and keeps them when there is room for them. */
static void interps_list_threads(struct walk *w, struct interps *interps,
				 uint32_t capacity)
{
	interps->tstate_count = 0;
	for (uint32_t i = 0; i < interps->count; i++) {
		uint64_t tstate = interpreters_thread(w->py, interps->list[i].state);

		while (tstate && interps->tstate_count < INTERPS_THREADS_MAX) {
			if (interps->tstate_count < capacity)
				interps->tstates[interps->tstate_count] = tstate;
			interps->tstate_count++;
			tstate = interpreters_next_thread(w->py, tstate);
		}
	}
}

static void interps_find_threads(struct walk *w, struct interps *interps)
{
	uint32_t n;

	interps_list_threads(w, interps, 0);
	n = interps->tstate_count;
	interps->tstates = arena_map(w->arena, (n + 1) * sizeof(*interps->tstates));
	if (interps->tstates)
		interps_list_threads(w, interps, n);
	if (!interps->tstates || interps->tstate_count > n) /* none, or a new one now */
		interps->tstate_count = interps->tstates ? n : 0;
}

void interps_find(struct walk *w)
{
	struct interps *interps = context_alloc(w, sizeof(*interps));
	uint64_t state, size;

	w->interps = interps;
	if (!interps)
		return;
	size = interpreters_size(w->py);
	state = interpreters_first(w->py);
	while (state && interps->count < LAYOUT_INTERPS) {
		struct interp *interp = &interps->list[interps->count++];

		interp->state = state;
		interp->id = interpreters_id(w->py, state);
		interp->size = size;
		while (interp->size > 8 && !ranges_readable(w, state, interp->size))
			interp->size /= 2;
		state = interpreters_next(w->py, state);
	}
	interps_find_threads(w, interps);
}
