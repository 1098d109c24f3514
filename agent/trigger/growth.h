/* SPDX-License-Identifier: MIT */
/*
 * growth - PYMEM_GROWTH=SIZE/TIME: a snapshot when resident memory grew by so much within
 * so long.
 *
 * Resident memory is read sixteen times in that time (no event tells it); a look compares
 * with the least of the last sixteen.  After a snapshot it is counted from there.  A
 * growth within less than a sixteenth of the time is seen with that delay.
 */
#ifndef PYMEM_AGENT_TRIGGER_GROWTH_H
#define PYMEM_AGENT_TRIGGER_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/trigger/config.h"

/* Once, and in a forked child once more. */
void growth_begin(const struct trigger_config *config);
bool growth_active(void);
/* Nanoseconds until the next look. */
uint64_t growth_due(uint64_t now);
/* Looks, if it is time. */
bool growth_seen(uint64_t now);

#endif
