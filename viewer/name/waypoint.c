/* SPDX-License-Identifier: MIT */
/* waypoint - see waypoint.h. */
#include "viewer/name/waypoint.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WAYPOINT_FIRST = 256 /* slots of the smallest table, a power of two */ };

static void waypoint_free(void *kept)
{
	struct waypoints *const w = kept;

	vec_free(&w->mark);
	vec_free(&w->slot);
	vec_free(&w->at);
	vec_free(&w->segment);
	vec_free(&w->text);
	free(w);
}

struct waypoints *waypoint_all(const struct analysis *analysis)
{
	struct analysis *const a = (struct analysis *)(uintptr_t)analysis; /* it keeps */
	struct waypoints *w;

	if (a->kept)
		return a->kept;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	if (vec_alloc(&w->mark, ((size_t)a->heap->nodes / 64 + 1) * 8) ||
	    vec_alloc(&w->slot, WAYPOINT_FIRST * sizeof(uint32_t))) {
		waypoint_free(w);
		return NULL;
	}
	a->kept = w;
	a->forget = waypoint_free;
	return w;
}

/* Where the node's number is, or would be. */
static uint32_t *waypoint_slot(const struct waypoints *w, uint32_t node)
{
	uint32_t *const slot = VEC(w->slot, uint32_t);
	const struct waypoint *const at = VEC(w->at, struct waypoint);
	const size_t mask = VEC_COUNT(w->slot, uint32_t) - 1;
	size_t i = (size_t)(node * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

	while (slot[i] && at[slot[i] - 1].node != node)
		i = (i + 1) & mask;
	return &slot[i];
}

const struct waypoint *waypoint_find(const struct waypoints *w, uint32_t node)
{
	if (!(VEC(w->mark, uint64_t)[node / 64] >> node % 64 & 1))
		return NULL;
	return VEC(w->at, struct waypoint) + *waypoint_slot(w, node) - 1;
}

bool waypoint_has_room(const struct waypoints *w)
{
	return w->slot.size + w->at.size + w->segment.size + w->text.size <
		WAYPOINT_MEMORY;
}

/* Keeps half of the slots free. */
static int waypoint_grow(struct waypoints *w)
{
	const size_t slots = VEC_COUNT(w->slot, uint32_t);
	const size_t count = VEC_COUNT(w->at, struct waypoint);
	struct vec larger = { 0 };

	if (2 * (count + 1) < slots)
		return 0;
	if (vec_alloc(&larger, 2 * slots * sizeof(uint32_t)))
		return -ENOMEM;
	vec_move(&w->slot, &larger);
	for (uint32_t i = 0; i < count; i++)
		*waypoint_slot(w, VEC(w->at, struct waypoint)[i].node) = i + 1;
	return 0;
}

int waypoint_add(struct waypoints *w, const struct waypoint *waypoint)
{
	const uint32_t node = waypoint->node;

	assert(!waypoint_find(w, node));
	if (waypoint_grow(w) || vec_append(&w->at, waypoint, sizeof(*waypoint)))
		return -ENOMEM;
	*waypoint_slot(w, node) = (uint32_t)VEC_COUNT(w->at, struct waypoint);
	VEC(w->mark, uint64_t)[node / 64] |= UINT64_C(1) << node % 64;
	return 0;
}

int waypoint_keep_text(struct waypoints *w, const char *text, uint32_t *offset_ret)
{
	*offset_ret = (uint32_t)w->text.size;
	return vec_append(&w->text, text, strlen(text) + 1);
}

int waypoint_keep_segment(struct waypoints *w, struct waypoint_segment segment,
			  uint32_t *before)
{
	const uint32_t own = (uint32_t)VEC_COUNT(w->segment, struct waypoint_segment) + 1;

	assert(!*before == !segment.rank);
	segment.before = *before;
	segment.head = segment.rank == WAYPOINT_SHOWN - 1 ? own :
		*before ? VEC(w->segment, struct waypoint_segment)[*before - 1].head :
			  0;
	if (vec_append(&w->segment, &segment, sizeof(segment)))
		return -ENOMEM;
	*before = own;
	return 0;
}
