/* SPDX-License-Identifier: MIT */
/*
 * allowance - how often the process may take a snapshot of its own accord: once in a
 * cool-down for each cause that comes by itself (PYMEM_COOLDOWN), and so many in all
 * (PYMEM_SNAPSHOTS).
 *
 * A cause that is refused is not made up for here: a state that lasts is seen again by
 * whoever asks.  Any thread.
 */
#ifndef PYMEM_AGENT_TRIGGER_ALLOWANCE_H
#define PYMEM_AGENT_TRIGGER_ALLOWANCE_H

#include <stdbool.h>

#include "agent/trigger/config.h"

/* What a snapshot is taken for. */
enum allowance_cause {
	ALLOWANCE_ASKED, /* signal, interval, exit: no cool-down */
	ALLOWANCE_RSS_LIMIT,
	ALLOWANCE_LIMIT,
	ALLOWANCE_STALL,    /* the machine or the group is short of memory */
	ALLOWANCE_PRESSURE, /* a group's own limit is near */
	ALLOWANCE_GROWTH,
	ALLOWANCE_MEMORY_ERROR,
	ALLOWANCE_CAUSES
};

/* May one be taken now? If so, it is counted. */
bool allowance_take(const struct trigger_config *config, enum allowance_cause cause);

/* In a forked child: it has its own. */
void allowance_forget(void);

#endif
