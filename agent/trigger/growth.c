/* SPDX-License-Identifier: MIT */
/* growth - see growth.h. */
#include "agent/trigger/growth.h"

#include "agent/base/sys.h"
#include "agent/trigger/room.h"

enum { GROWTH_LOOKS = 16 };

static struct {
	uint64_t bytes, wait; /* bytes 0 = not asked for */
	uint64_t due;
	uint64_t resident[GROWTH_LOOKS]; /* of the last looks, in a ring */
	unsigned count;			 /* looks so far */
} growth;

void growth_begin(const struct trigger_config *config)
{
	growth.bytes = config->growth_bytes;
	growth.wait = config->growth_ns / GROWTH_LOOKS;
	growth.due = 0;
	growth.count = 0;
}

bool growth_active(void)
{
	return growth.bytes;
}

uint64_t growth_due(uint64_t now)
{
	return growth.due > now ? growth.due - now : 0;
}

bool growth_seen(uint64_t now)
{
	uint64_t resident, least;

	if (!growth.bytes || now < growth.due)
		return false;
	growth.due = now + growth.wait;
	resident = least = room_self().resident;
	for (unsigned i = 0; i < growth.count && i < GROWTH_LOOKS; i++) {
		if (growth.resident[i] < least)
			least = growth.resident[i];
	}
	if (resident - least >= growth.bytes) {
		growth.count = 1;
		growth.resident[0] = resident;
		return true;
	}
	growth.resident[growth.count % GROWTH_LOOKS] = resident;
	growth.count++;
	return false;
}
