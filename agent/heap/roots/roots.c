/* SPDX-License-Identifier: MIT */
/* roots - see roots.h. */
#include "agent/heap/roots/roots.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/interps.h"
#include "agent/heap/core/types.h"
#include "agent/heap/frames/frames.h"
#include "agent/heap/roots/interned.h"
#include "agent/heap/roots/modules.h"
#include "agent/heap/roots/roots_image.h"
#include "agent/heap/roots/roots_interp.h"
#include "agent/heap/roots/threads.h"

/* The end of [start, end) if it holds addr, else 0, having noted where it begins. */
static uint64_t roots_skip_one(uint64_t addr, uint64_t start, uint64_t end,
			       uint64_t *clear)
{
	if (addr >= start && addr < end)
		return (end + 7) & ~7ull;
	if (addr < start && start < *clear)
		*clear = start;
	return 0;
}

uint64_t roots_skip(const struct walk *w, uint64_t addr, uint64_t *clear_ret)
{
	const struct interps *interps = w->interps;
	uint64_t start, end, skip;

	*clear_ret = UINT64_MAX;
	roots_image_cache(w, &start, &end);
	skip = roots_skip_one(addr, start, end, clear_ret);
	for (uint32_t i = 0; interps && i < interps->count && !skip; i++)
		skip = roots_skip_one(addr, interps->list[i].state,
				      interps->list[i].state + interps->list[i].size,
				      clear_ret);
	return skip;
}

/* ---- types ---- */

void roots_static_types(struct walk *w)
{
	struct walk_type *type;

	for (uint32_t id = 1; (type = types_by_id(w, id)) && !w->err; id++)
		if (!(type->flags & SNAP_TYPE_HEAP) && type->addr)
			events_root(w, SNAP_ROOT_STATIC_TYPE, 0, 0, 0, type->name,
				    type->addr);
}

void roots_walk(struct walk *w)
{
	struct interps *interps;

	if (!frames_begin(w))
		events_error(w, 0, NULL,
			     "frames of this version are unknown: no local variables");
	interps_find(w);
	interps = w->interps;
	if (!interps)
		return;
	for (uint32_t i = 0; w->lay->interned_in_state && i < interps->count; i++)
		interned_find_in_state(w, interps->list[i].state, interps->list[i].size);
	roots_image(w);
	for (uint32_t i = 0; i < interps->count && !w->err; i++) {
		struct interp *interp = &interps->list[i];

		roots_interp_find(w, interp);
		if (!interp->modules && !(w->lay->unknown & LAYOUT_DICT))
			events_error(w, interp->state, NULL, "sys.modules was not found");
		threads_emit(w, interp);
		roots_interp_emit(w, interp);
		modules_emit(w, interp);
	}
}
