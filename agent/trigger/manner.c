/* SPDX-License-Identifier: MIT */
/* manner - see manner.h. */
#include "agent/trigger/manner.h"

#include "agent/base/invariant.h"
#include "agent/snap/reserve.h"
#include "agent/trigger/room.h"

/* What a manner needs: so many bytes, and one more for each `share` of what is
 * resident. */
static const struct manner_need {
	const char *name;
	uint64_t bytes, share;
} needs[] = {
	[MANNER_COPY] = { "copy", 24 << 20, 10 },
	[MANNER_STILL] = { "copy, standing still", 12 << 20, 20 },
	[MANNER_IN_PLACE] = { "in place", 10 << 20, 32 },
	[MANNER_SUMMARY] = { "summary", 0, UINT64_MAX },
};

enum {
	MANNER_RESERVE = 12 << 20,
	MANNER_RESERVE_MOST = 32 << 20,
	MANNER_RESERVE_SHARE = 40, /* ... and that part of the limit */
	MANNER_RESERVE_PART = 16,  /* no more than that part of it */
	MANNER_RESERVE_ROOM = 4,   /* times as much must be left */
};

const char *manner_name(enum manner manner)
{
	return needs[manner].name;
}

enum manner manner_for(enum manner from, uint64_t room, uint64_t resident)
{
	enum manner manner = from;

	INVARIANT(from <= MANNER_SUMMARY);
	while (manner < MANNER_SUMMARY &&
	       room < needs[manner].bytes + resident / needs[manner].share)
		manner++;
	return manner;
}

enum manner manner_choose(enum manner from, uint64_t *room_ret)
{
	*room_ret = room_left() + reserve_held();
	return manner_for(from, *room_ret, room_self().resident - reserve_held());
}

uint64_t manner_reserve_size(const struct trigger_config *config, uint64_t limit)
{
	uint64_t size = MANNER_RESERVE + limit / MANNER_RESERVE_SHARE;

	if (config->reserve_set)
		return config->reserve_bytes;
	if (!config->rss_bytes && !config->rss_percent && !config->limit_percent &&
	    !config->stall_ns && !config->memory_error)
		return 0;
	if (size > limit / MANNER_RESERVE_PART)
		size = limit / MANNER_RESERVE_PART;
	return size < MANNER_RESERVE_MOST ? size : MANNER_RESERVE_MOST;
}

void manner_reserve(const struct trigger_config *config)
{
	uint64_t limit, used, size;

	if (reserve_held())
		return;
	room_read(&limit, &used);
	size = manner_reserve_size(config, limit);
	if (size && room_left() / MANNER_RESERVE_ROOM >= size)
		reserve_take(size);
}
