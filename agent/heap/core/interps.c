/* SPDX-License-Identifier: MIT */
/* interps - see interps.h. */
#include "agent/heap/core/interps.h"

#include <string.h>

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/strings.h"
#include "agent/python/interpreters.h"
#include "agent/python/str.h"

enum {
	INTERPS_THREADS_MAX = 1 << 20,
	INTERPS_NAME = 1024, /* bytes of a name that are kept */
	INTERPS_SUFFIX = 40, /* " (interpreter 18446744073709551615)" */
};

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

/* text: `size` bytes, and INTERPS_SUFFIX more of room. */
static uint32_t interps_add_name(struct walk *w, const struct interp *interp, char *text,
				 size_t size)
{
	static const char before[] = " (interpreter ";
	uint64_t id = interp->id;
	char digits[24];
	size_t n = 0;

	if (!id)
		return strings_add(w, text, size);
	do
		digits[n++] = (char)('0' + id % 10);
	while (id /= 10);
	memcpy(text + size, before, sizeof(before) - 1);
	size += sizeof(before) - 1;
	while (n)
		text[size++] = digits[--n];
	text[size++] = ')';
	return strings_add(w, text, size);
}

uint32_t interps_name_object(struct walk *w, const struct interp *interp, uint64_t str)
{
	char text[INTERPS_NAME + INTERPS_SUFFIX];

	return interps_add_name(w, interp, text,
				str_text(w->lay, str, text, INTERPS_NAME));
}

uint32_t interps_name(struct walk *w, const struct interp *interp, const char *text)
{
	char copy[INTERPS_NAME + INTERPS_SUFFIX];
	const size_t size = strnlen(text, INTERPS_NAME);

	memcpy(copy, text, size);
	return interps_add_name(w, interp, copy, size);
}
