/* SPDX-License-Identifier: MIT */
/*
 * limit - PYMEM_RSS_LIMIT: a snapshot when resident memory crosses a line.
 *
 * The line is the size asked for, or the share of the smallest memory limit over
 * us (control groups v1 and v2, every ancestor; else the machine's memory).  It
 * is crossed earlier when the room that is left under that limit would no
 * longer hold the copy's own memory (32 MiB and an eighth of what is resident).
 * Once per crossing: it counts again after memory fell a tenth below the line.
 *
 * There is no event for this that needs no privilege, so it is looked at: as
 * often as the distance to the line divided by 1 GiB/s, which is as fast as a
 * process can fill memory, but at least every 2 s and at most every 20 ms.
 *
 * While the copy walks, an application that goes on filling memory could be
 * killed, and the copy first; and a garbage collection of its own writes to every
 * object and so copies every page.  So the interpreter stands still while the copy
 * walks (a pause of the walk, for a snapshot that is whole) when at the rate of the
 * last looks the room would be gone within four times the walk (4 ns a byte); or
 * from when half of the room that there was at the fork is gone; or in a second
 * try, after a first copy was killed.
 */
#ifndef PYMEM_AGENT_TRIGGER_LIMIT_H
#define PYMEM_AGENT_TRIGGER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/snap/job.h"
#include "agent/trigger/config.h"

/* Once, before the others. Reads how much memory there is. */
void limit_begin(const struct trigger_config *config);
/* Is any limit set at all? */
bool limit_active(void);
/* Nanoseconds until the next look. */
uint64_t limit_due(uint64_t now);
/* Looks, if it is time. True once per crossing. */
bool limit_crossed(void);
/* After limit_crossed: is there a race with memory? See above. */
bool limit_hurries(void);
/* For trigger_cause.waiting: see above. */
void limit_waiting(struct job *job);

/* ---- for tests ---- */

/* Smallest memory limit over this process in bytes, and what is used of it. */
void limit_room(uint64_t *limit_ret, uint64_t *used_ret);

#endif
